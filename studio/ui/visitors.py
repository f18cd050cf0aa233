"""Who holds which run: by the session a browser tab has, forgotten when the tab closes.

Nothing here is ever listed or shown to anyone but the holder of a run's own unguessable id. It
lives as long as the page is served and belongs to one page.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Protocol

from studio.contract import Finished
from studio.errors import NotFound

MAX_VISITORS = 10_000
KEPT_BYTES = 128 * 2**20  # of finished pictures, for downloads
GONE = "This run is no longer kept; run its recipe again."


class Forgets(Protocol):
    """An engine, or a part of one whose runs are freed by their ids."""

    def forget(self, run: str) -> None: ...


@dataclass
class Visit:
    """What one tab holds: its newest run, and how many it has begun."""

    run: str = ""
    begun: int = 0
    running: bool = False


@dataclass
class Visitors:
    """The tabs that are open, and the finished runs that their pages show."""

    engine: Forgets
    visits: OrderedDict[str, Visit] = field(default_factory=OrderedDict)
    finished: OrderedDict[str, Finished] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, session: str, run: str) -> tuple[int, bool]:
        """This run is now the tab's own; its former one is ended and freed.

        Returns the run's number within the tab, and whether a running one was stopped for it.
        """
        with self.lock:
            visit = self.visits.setdefault(session, Visit())
            self.visits.move_to_end(session)
            former, replaced = visit.run, visit.running
            visit.run, visit.running, visit.begun = run, True, visit.begun + 1
            number = visit.begun
            evicted = self._evict()
        for old in (former, *evicted):
            self._free(old)
        return number, replaced

    def end(self, session: str, run: str) -> None:
        """The run's stream is over; what it made stays until the tab's next run."""
        with self.lock:
            visit = self.visits.get(session)
            if visit and visit.run == run:
                visit.running = False

    def keep(self, finished: Finished) -> None:
        """Remember what a run made, for its downloads; the oldest go when it becomes too much."""
        with self.lock:
            if any(visit.run == finished.run for visit in self.visits.values()):
                self.finished[finished.run] = finished
            while len(self.finished) > 1 and self._bytes() > KEPT_BYTES:
                self.finished.popitem(last=False)

    def made(self, run: str) -> Finished:
        """What that run made; NotFound when its tab has gone on."""
        with self.lock:
            if run not in self.finished:
                raise NotFound(GONE)
            return self.finished[run]

    def current(self, session: str) -> str:
        """The tab's newest run, or an empty string."""
        with self.lock:
            visit = self.visits.get(session)
            return visit.run if visit else ""

    def leave(self, session: str) -> None:
        """The tab is closed: its run ends and its recording is freed."""
        with self.lock:
            visit = self.visits.pop(session, None)
        if visit:
            self._free(visit.run)

    def _bytes(self) -> int:
        return sum(len(png) for made in self.finished.values() for png in made.pictures)

    def _evict(self) -> list[str]:
        old = []
        while len(self.visits) > MAX_VISITORS:
            old.append(self.visits.popitem(last=False)[1].run)
        return old

    def _free(self, run: str) -> None:
        if not run:
            return
        with self.lock:
            self.finished.pop(run, None)
        self.engine.forget(run)
