"""The streams of a race's lanes, merged into one: each lane's events become the race's.

No torch. What the lanes are told by anybody passes through `Merged.tell`, whichever thread it
comes from.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from studio import contract
from studio.engine.stream import Stream
from studio.racing import (
    RACE_LAST,
    LaneFinished,
    LaneStep,
    LaneStopped,
    Measuring,
    RaceLoading,
    RaceQueued,
    RaceRequest,
)

KEPT = 4  # of a lane's steps, for a reader who is busy for a moment


class Feed(Stream):
    """A lane's own stream, which tells the race whatever it takes."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        super().__init__()
        self._tell = tell

    def put(self, event: Any) -> bool:
        taken = super().put(event)
        if taken:
            self._tell(event)
        return taken


class Merged:
    """One stream of what happens in all lanes; `done` is called once, when all are over."""

    def __init__(self, race: str, request: RaceRequest, done: Callable[[], None]) -> None:
        self.race, self.request, self._done = race, request, done
        self.runs: tuple[str, ...] = ()  # the lanes' own ids
        self.stream = Stream(RACE_LAST, _name, KEPT)
        self.finished: dict[int, contract.Finished] = {}
        self.failures: list[str] = []
        self.began, self.ended = float("inf"), 0.0  # of all lanes together, perf_counter
        self._open = set(range(len(request.lanes)))
        self._lock = threading.Lock()
        self._loading: tuple = ()

    def feed(self, lane: int) -> Feed:
        """The stream for a lane's ticket."""
        return Feed(lambda event: self.tell(lane, event))

    def tell(self, lane: int, event: contract.Event) -> None:
        """Put a lane's event into the race's stream, in the race's words."""
        said = self._said(lane, event)
        if said is not None:
            self.stream.put(said)
        if isinstance(event, contract.LAST):
            with self._lock:
                self._open.discard(lane)
                over = not self._open
            if over:
                self._done()

    def _said(self, lane: int, event: contract.Event) -> Any:
        if isinstance(event, contract.Step):
            return self._step(lane, event)
        if isinstance(event, contract.Queued) and lane == 0:
            return RaceQueued(self.race, self.request, self.runs, event.ahead)
        if isinstance(event, contract.Finished):
            return self._finish(lane, event)
        if isinstance(event, contract.Cancelled):
            return LaneStopped(self.race, lane, event.steps_recorded)
        if isinstance(event, contract.Failed):
            self.failures.append(event.message)
            return LaneStopped(self.race, lane, 0, event.message)
        if isinstance(event, contract.Loading):  # every lane hears of it; the race says it once
            with self._lock:
                same = self._loading == (event.doing, event.share)
                self._loading = (event.doing, event.share)
            if not same:
                return RaceLoading(self.race, event.model, event.doing, event.share)
        return None

    def _step(self, lane: int, step: contract.Step) -> LaneStep:
        xt = step.xt[0] if step.xt and self.request.shown in ("both", "xt") else b""
        x0 = step.x0[0] if step.x0 and self.request.shown in ("both", "x0") else b""
        return LaneStep(
            race=self.race,
            lane=lane,
            index=step.index,
            total=step.total,
            nfe=step.nfe,
            rows=step.rows,
            t=step.level.t,
            share=step.level.share,
            logsnr=step.level.logsnr,
            step_ms=step.step_ms,
            left_s=step.left_s,
            shared_with=step.shared_with,
            xt=xt,
            x0=x0,
        )

    def _finish(self, lane: int, event: contract.Finished) -> LaneFinished:
        now = time.perf_counter()
        with self._lock:
            self.finished[lane] = event
            self.began, self.ended = min(self.began, now - event.seconds), now
        return LaneFinished(
            race=self.race,
            lane=lane,
            png=event.pictures[0],
            nfe=event.nfe,
            rows=event.rows,
            seconds=event.seconds,
            xt_sha256=event.xt_sha256,
            pixels_sha256=event.pixels_sha256[0],
            steps_recorded=event.steps_recorded,
        )


def _name(event: Any) -> Any:
    """What a newer event of the same name makes old."""
    if isinstance(event, LaneStep):
        return event.lane
    return "measuring" if isinstance(event, Measuring) else None
