"""A run's events on their way to readers, who may be slower than the device.

Bounded: of the Steps only the newest few are kept, every other kind of event always is. The
writer never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from studio.contract import LAST, Finished, Step

KEPT_STEPS = 8  # so that a reader who is busy for a moment misses nothing


class Stream:
    """Events numbered in the order of their making; any number of readers, each with a place.

    `stale` names what an event makes old: of events with one name the newest `kept` stay. None
    keeps an event for good. After an event of the kinds `last` nothing more is taken.
    """

    def __init__(
        self,
        last: tuple[type, ...] = LAST,
        stale: Callable[[Any], Any] = lambda event: "step" if isinstance(event, Step) else None,
        kept: int = KEPT_STEPS,
    ) -> None:
        self._events: list[tuple[int, Any]] = []
        self._made = 0
        self._changed = threading.Condition()
        self._last, self._stale, self._most = last, stale, kept
        self.last: Any = None

    def put(self, event: Any) -> bool:
        """Add an event; False once the last one was added."""
        with self._changed:
            if self.last is not None:
                return False
            self._events.append((self._made, event))
            self._made += 1
            name = self._stale(event)
            if name is not None:
                old = [k for k, (_, e) in enumerate(self._events) if self._stale(e) == name]
                if len(old) > self._most:
                    del self._events[old[0]]
            if isinstance(event, self._last):
                self.last = event
            self._changed.notify_all()
            return True

    @property
    def newest(self) -> Any:
        """The event that was put last."""
        with self._changed:
            return self._events[-1][1] if self._events else None

    def kept(self) -> tuple[Any, ...]:
        """All that a new reader would get at once."""
        with self._changed:
            return tuple(event for _, event in self._events)

    @property
    def bytes(self) -> int:
        """What the kept events' pictures take."""
        with self._changed:
            return sum(_bytes(event) for _, event in self._events)

    def read(self, timeout: float | None = None) -> Iterator[Any]:
        """What is kept, then what comes, until the run's last event.

        With a timeout the iterator ends after that many seconds without an event.
        """
        place = 0
        while True:
            with self._changed:
                ready = self._after(place)
                until = None if timeout is None else time.monotonic() + timeout
                while not ready:
                    if until is not None and time.monotonic() >= until:
                        return
                    self._changed.wait(None if until is None else until - time.monotonic())
                    ready = self._after(place)
                place, event = ready[0]
            yield event
            place += 1
            if isinstance(event, self._last):
                return

    def _after(self, place: int) -> list[tuple[int, Any]]:
        return [entry for entry in self._events if entry[0] >= place]


def _bytes(event: Any) -> int:
    if isinstance(event, Step):
        return sum(map(len, event.xt + event.x0 + event.cond + event.uncond))
    return sum(map(len, event.pictures)) if isinstance(event, Finished) else 0
