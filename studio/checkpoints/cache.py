"""Loaded checkpoints under a byte budget; the one used longest ago goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection

from studio.checkpoints.checkpoint import Checkpoint


class Cache:
    """Ids to loaded checkpoints. One thread uses it."""

    def __init__(self, budget: int, used: Callable[[], Collection[str]] = tuple) -> None:
        """`used` names those that stay whatever the budget: runs hold them."""
        self.budget, self._in_use = budget, used
        self._held: OrderedDict[str, Checkpoint] = OrderedDict()
        self.seconds: dict[str, float] = {}  # what loading each took the last time
        self._used: dict[str, float] = {}  # when each was, on the monotonic clock

    def __contains__(self, id: str) -> bool:
        return id in self._held

    def ids(self) -> tuple[str, ...]:
        """What is held now."""
        return tuple(self._held)

    def get(self, id: str, load: Callable[[], Checkpoint]) -> Checkpoint:
        """The checkpoint, loaded if it is not here. One larger than the budget stays alone."""
        if id not in self._held:
            start = time.perf_counter()
            loaded = load()
            self.seconds[id] = time.perf_counter() - start
            self._held[id] = loaded
            for other in self.leaving(0):
                if other != id:
                    del self._held[other]
        self._held.move_to_end(id)
        self._used[id] = time.monotonic()
        return self._held[id]

    @property
    def bytes(self) -> int:
        """What the held checkpoints take."""
        return sum(checkpoint.bytes for checkpoint in self._held.values())

    def size(self, id: str) -> int:
        """What one of the held takes."""
        return self._held[id].bytes

    def idle(self, id: str) -> float:
        """Seconds since it was last asked for."""
        return time.monotonic() - self._used[id]

    def leaving(self, more: int) -> tuple[str, ...]:
        """Which go, the one used longest ago first, so that `more` bytes fit the budget."""
        left, going, used = self.bytes + more, [], self._in_use()
        for id, checkpoint in self._held.items():
            if left <= self.budget:
                break
            if id in used:
                continue
            going.append(id)
            left -= checkpoint.bytes
        return tuple(going)

    def drop(self, id: str) -> None:
        """Let one go; idempotent."""
        self._held.pop(id, None)
