"""Races: a group of runs with one x_T on the shared batcher, their streams merged into one.

This module knows no torch. What is measured after the lanes are done is a job of the worker's,
in `race_measure.py` and `race_ladder.py`.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from studio.contract import Request, View
from studio.diffusion.samplers.registry import SAMPLERS
from studio.engine import race_rules
from studio.engine.jobs import Job
from studio.engine.race_kept import Kept
from studio.engine.race_stream import Merged
from studio.engine.stream import Stream
from studio.engine.ticket import Ticket
from studio.errors import BadRequest, NotFound, StudioError
from studio.race_recipe import check_ladder, check_work
from studio.racing import (
    LADDER,
    Convergence,
    Group,
    Lane,
    Mark,
    Measuring,
    Point,
    RaceCancelled,
    RaceEvent,
    RaceFailed,
    RaceFinished,
    RaceRequest,
    RaceResult,
    What,
)

if TYPE_CHECKING:
    from studio.engine.engine import LocalEngine
    from studio.engine.worker import Worker

log = logging.getLogger(__name__)
KEPT = 32  # races whose result can still be asked for
FAIR_NFE = 20  # of the default race


@dataclass(eq=False, slots=True)
class Race:
    """One race. `cancelled` is set by anybody and never unset."""

    request: RaceRequest  # resolved
    merged: Merged
    tickets: list[Ticket] = field(default_factory=list)
    cancelled: bool = False
    measuring: bool = False
    result: RaceResult | None = None


class Races:
    """The engine's races; see `racing.Races`."""

    def __init__(
        self,
        engine: LocalEngine,
        make: Callable[..., Ticket],
        accept: Callable[[Sequence[Ticket]], int],
        start: Callable[[Callable[[Worker], Job]], Future],
    ) -> None:
        """`make` turns a request into a ticket, `accept` takes tickets, `start` a job."""
        self._engine = engine
        self._make, self._accept, self._start = make, accept, start
        self._races: OrderedDict[str, Race] = OrderedDict()
        self._kept = Kept()
        self._lock = threading.Lock()

    # What is known beforehand

    def default(self, base: Request) -> RaceRequest:
        lanes = [
            Lane(sampler, base.steps, base.spacing, 0.0, base.guidance)
            for sampler in race_rules.DEFAULT
        ]
        shared = base.with_(count=1)
        return RaceRequest(shared, self.fair(lanes, FAIR_NFE), "nfe", FAIR_NFE)

    def fair(self, lanes: Sequence[Lane], nfe: int) -> tuple[Lane, ...]:
        _check_samplers(lanes)
        return race_rules.fair(lanes, nfe)

    def same(self, lanes: Sequence[Lane], model: str = "") -> tuple[Group, ...]:
        _check_samplers(lanes)
        return race_rules.same(lanes, *self._traits(model))

    def why(self, one: Lane, other: Lane, model: str = "") -> tuple[Mark, ...]:
        _check_samplers((one, other))
        return race_rules.why(one, other, *self._traits(model))

    def _traits(self, model: str) -> tuple[str, bool]:
        """How the model's path ends, "" before it raced, and whether its variance is learned."""
        return self._kept.traits.get(model, ("", True))

    # A race

    def submit(self, request: RaceRequest) -> str:
        request = self._resolved(request)
        race_id = secrets.token_urlsafe(16)
        race = Race(request, Merged(race_id, request, lambda: self._over(race)))
        view = View("off" if request.shown == "none" else "auto")
        for lane in range(len(request.lanes)):
            feed = race.merged.feed(lane)
            race.tickets.append(
                self._make(request.run(lane), view, stream=feed, wants="both", together=race_id)
            )
        race.merged.runs = tuple(ticket.id for ticket in race.tickets)
        self._accept(race.tickets)
        with self._lock:
            self._races[race_id] = race
            over = [id for id, known in self._races.items() if known.merged.stream.last is not None]
            many = len(self._races) - KEPT
        for old in over[: max(0, many)]:
            self.forget(old)
        return race_id

    def events(self, race: str, timeout: float | None = None) -> Iterator[RaceEvent]:
        return self._race(race).merged.stream.read(timeout)

    def stop_lane(self, race: str, lane: int) -> None:
        self._engine.cancel(self._ticket(race, lane).id)

    def cancel(self, race: str) -> None:
        known = self._races.get(race)
        if known is None:
            return
        known.cancelled = True
        for ticket in known.tickets:
            self._engine.cancel(ticket.id)
        if known.measuring:
            known.merged.stream.put(RaceCancelled(race))

    def forget(self, race: str) -> None:
        self.cancel(race)
        with self._lock:
            known = self._races.pop(race, None)
        for ticket in known.tickets if known else ():
            self._engine.forget(ticket.id)

    def frame(self, race: str, lane: int, step: int, what: What) -> bytes:
        return self._engine.frame(self._ticket(race, lane).id, step, what)

    def result(self, race: str) -> RaceResult | None:
        return self._race(race).result

    def _race(self, race: str) -> Race:
        with self._lock:
            known = self._races.get(race)
        if known is None:
            raise NotFound("This race is no longer kept; run it again.")
        return known

    def _ticket(self, race: str, lane: int) -> Ticket:
        tickets = self._race(race).tickets
        if not 0 <= lane < len(tickets):
            raise NotFound(f"This race has {len(tickets)} lanes; there is no {lane}.")
        return tickets[lane]

    def _resolved(self, request: RaceRequest) -> RaceRequest:
        """With its size and its fair steps filled in; raises what `submit` may."""
        if request.base.image:
            raise BadRequest("A race starts from noise; leave out the picture to start from.")
        _check_samplers(request.lanes)
        if request.mode == "nfe":
            request = request.with_(lanes=self.fair(request.lanes, request.nfe))
        sized, *_ = [self._make(request.run(k)).request for k in range(len(request.lanes))]
        request = request.with_(base=request.base.with_(width=sized.width, height=sized.height))
        asks = [SAMPLERS[lane.sampler].evaluations for lane in request.lanes]
        check_work(request, sized.width, sized.height, asks)
        return request

    # What is measured

    def _over(self, race: Race) -> None:
        """All lanes are over: measure, unless there is nothing to. On any thread."""
        merged = race.merged
        if race.cancelled or not (merged.finished or merged.failures):
            merged.stream.put(RaceCancelled(merged.race))
        elif not merged.finished:
            merged.stream.put(RaceFailed(merged.race, merged.failures[0]))
        else:
            race.measuring = True
            try:
                self._start(lambda worker: self._measure(worker, race)).add_done_callback(
                    lambda future: self._measured(race, future)
                )
            except StudioError as error:
                merged.stream.put(RaceFailed(merged.race, str(error)))

    def _measure(self, worker: Worker, race: Race) -> Job:
        from studio.engine import race_measure

        return (yield from race_measure.measure(worker, race, self._make, self._kept))

    def _measured(self, race: Race, future: Future) -> None:
        merged = race.merged
        error = future.exception() if not future.cancelled() else None
        if race.cancelled or future.cancelled():
            merged.stream.put(RaceCancelled(merged.race))
        elif error is not None:
            merged.stream.put(RaceFailed(merged.race, str(error)))
        else:
            race.result = future.result()
            merged.stream.put(RaceFinished(merged.race, race.result))

    def converge(
        self, request: RaceRequest, ladder: tuple[int, ...] = LADDER
    ) -> Iterator[Measuring | Point | Convergence]:
        request = self._resolved(request.with_(ladder=check_ladder(ladder)))
        if not request.ladder or not request.reference:
            raise BadRequest("A convergence plot needs a ladder and a reference.")
        return self._climb(request)

    def _climb(self, request: RaceRequest) -> Iterator[Any]:
        stream = Stream((Future,), lambda event: None)
        stop = threading.Event()

        def job(worker: Worker) -> Job:
            from studio.engine import race_ladder

            way = race_ladder.climb(
                worker, request, self._make, self._kept, stream.put, stop.is_set
            )
            return (yield from way)

        self._start(job).add_done_callback(stream.put)
        try:
            for event in stream.read():
                yield event.result() if isinstance(event, Future) else event
        finally:
            stop.set()


def _check_samplers(lanes: Sequence[Lane]) -> None:
    for lane in lanes:
        if lane.sampler not in SAMPLERS:
            raise BadRequest(
                f"There is no sampler “{lane.sampler[:40]}”; choose one from the list."
            )
