"""A run's events on their way to readers, who may be slower than the device.

Bounded: of the Steps only the newest few are kept, every other kind of event always is. The
writer never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from studio.contract import LAST, Event, Finished, Step

KEPT_STEPS = 8  # so that a reader who is busy for a moment misses nothing


class Stream:
    """Events numbered in the order of their making; any number of readers, each with a place."""

    def __init__(self) -> None:
        self._events: list[tuple[int, Event]] = []
        self._made = 0
        self._changed = threading.Condition()
        self.last: Event | None = None

    def put(self, event: Event) -> None:
        """Add an event; after Finished, Cancelled or Failed nothing more is taken."""
        with self._changed:
            if self.last is not None:
                return
            self._events.append((self._made, event))
            self._made += 1
            steps = [k for k, (_, e) in enumerate(self._events) if isinstance(e, Step)]
            if len(steps) > KEPT_STEPS:
                del self._events[steps[0]]
            if isinstance(event, LAST):
                self.last = event
            self._changed.notify_all()

    @property
    def bytes(self) -> int:
        """What the kept events' pictures take."""
        with self._changed:
            return sum(_bytes(event) for _, event in self._events)

    def read(self, timeout: float | None = None) -> Iterator[Event]:
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
            if isinstance(event, LAST):
                return

    def _after(self, place: int) -> list[tuple[int, Event]]:
        return [entry for entry in self._events if entry[0] >= place]


def _bytes(event: Event) -> int:
    if isinstance(event, Step):
        return sum(map(len, event.xt + event.x0 + event.cond + event.uncond))
    return sum(map(len, event.pictures)) if isinstance(event, Finished) else 0
