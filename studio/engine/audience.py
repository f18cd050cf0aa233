"""Who waits for which checkpoint: a load is told to all of them, and goes on while anybody does.

No torch: watchers come from any thread, and are told by the one that owns the device.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False, slots=True)
class Watcher:
    """One who waits: what is to be told lies in `out`. `gone` is set once and never unset."""

    id: str  # of the checkpoint
    out: queue.SimpleQueue = field(default_factory=queue.SimpleQueue)
    gone: bool = False


class Audience:
    """The watchers of every checkpoint that is being read or waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: list[Watcher] = []

    def join(self, id: str) -> Watcher:
        """A new watcher; `leave` ends it."""
        watcher = Watcher(id)
        with self._lock:
            self._watchers.append(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Nothing more is told to it; idempotent."""
        watcher.gone = True
        with self._lock:
            self._watchers = [w for w in self._watchers if w is not watcher]

    def tell(self, id: str, what: Any) -> None:
        """Tell everybody who waits for this checkpoint."""
        with self._lock:
            waiting = [w for w in self._watchers if w.id == id]
        for watcher in waiting:
            watcher.out.put(what)

    def waits(self, id: str) -> bool:
        """Whether anybody waits for it."""
        with self._lock:
            return any(w.id == id for w in self._watchers)
