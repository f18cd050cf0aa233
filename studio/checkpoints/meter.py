"""How far a load is: phrases from the family, bytes from the reader; and the way to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable

from studio.errors import Stopped

Tell = Callable[[str, str, int, int], None]  # a phrase, a component, bytes done, bytes in all
PAUSE = 0.05  # seconds between two reports of bytes


class Meter:
    """A Progress that also counts bytes. Raises Stopped wherever it is told of anything."""

    def __init__(self, id: str, total: int, tell: Tell, stop: Callable[[], bool]) -> None:
        self.id, self.total, self.done = id, total, 0
        self._tell, self._stop = tell, stop
        self._doing, self._component, self._told = "", "", 0.0

    def __call__(self, doing: str, share: float | None) -> None:
        """What begins now. Until bytes are counted, `share` says how far it is."""
        self._check()
        self._doing = doing
        if share is not None and not self._component:
            self.done = max(self.done, min(self.total, int(share * self.total)))
        self._report()

    def read(self, component: str, count: int) -> None:
        """So many more bytes of a component were read."""
        self._check()
        self._component = component
        self.done = min(self.total, self.done + count)
        if time.monotonic() - self._told >= PAUSE or self.done == self.total:
            self._report()

    def _check(self) -> None:
        if self._stop():
            raise Stopped(f"Loading {self.id} was stopped.")

    def _report(self) -> None:
        self._told = time.monotonic()
        self._tell(self._doing, self._component, self.done, self.total)
