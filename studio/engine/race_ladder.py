"""Errors over evaluations: every method among the lanes at every rung, and the fitted order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any

from studio.engine import race_reference as reference
from studio.engine import race_rules
from studio.engine.race_kept import Kept, Walked
from studio.engine.race_reference import Make, Progress
from studio.engine.ticket import Ticket
from studio.engine.worker import Worker
from studio.metrics.distance import rmse
from studio.metrics.orders import order
from studio.racing import Convergence, Fit, Lane, Point, RaceRequest
from studio.recipe import Guidance

FLOOR = 2.0  # times the reference's own error: below that an error says nothing
NO_LIMIT = "It adds noise: there is no pathwise limit, and so no order."
TOO_FEW = "Fewer than three falling errors lie above the reference's own; climb other rungs."
Put = Callable[[Any], object]


def climb(
    worker: Worker, request: RaceRequest, make: Make, kept: Kept, put: Put,
    stopped: Callable[[], bool],
) -> Generator[None, None, Convergence]:  # fmt: skip
    """The ladder without a race: references first. Each Point is put as it is known."""
    progress = Progress(put, "", stopped)
    walked = yield from reference.references(worker, request, make, kept, progress)
    return (yield from points(worker, request, walked, make, put, progress))


def points(
    worker: Worker,
    request: RaceRequest,
    walked: Mapping[Guidance, Walked],
    make: Make,
    put: Put,
    progress: Progress,
) -> Generator[None, None, Convergence]:
    """Climb the request's ladder with each method that follows the flow."""
    floor = FLOOR * max((each.said.error for each in walked.values()), default=0.0)
    methods = _methods(request)
    rungs = [
        (place, lane, reference.probe(make, request.with_(lanes=(lane, lane)).run(0)))
        for place, first in methods.items()
        for lane in _rungs(first, request.ladder)
    ]
    progress.total += sum(_cost(lane) for _, lane, _ in rungs)
    found: list[Point] = []
    for group in _waves(rungs):
        tickets = [ticket for *_, ticket in group]
        ends = yield from reference.walk(worker, tickets, "climbing the ladder", progress)
        for (place, lane, ticket), end in zip(group, ends, strict=True):
            goal = walked.get(lane.guidance)
            if end is None or goal is None or ticket.state is None:
                continue
            error = rmse(ticket.state[0], goal.state)
            found.append(Point(place, end.nfe, lane.steps, error, error > floor))
            put(found[-1])
            ticket.state = None
    fits, used = [], set()
    for place in range(len(request.lanes)):
        if place in methods:
            mine = sorted((p for p in found if p.lane == place), key=lambda p: p.nfe)
            fits.append(_fit(place, mine, floor))
            used |= _used(mine, floor)
        elif race_rules.stochastic(request.lanes[place]):
            fits.append(Fit(place, None, None, None, NO_LIMIT))
    placed = (replace(point, used=(point.lane, point.nfe) in used) for point in found)
    return Convergence(tuple(placed), tuple(fits), floor)


def _methods(request: RaceRequest) -> dict[int, Lane]:
    """The lanes that follow the flow and differ in more than their steps, by their places."""
    seen, methods = set(), {}
    for place, lane in enumerate(request.lanes):
        name = replace(lane, steps=1)
        if not race_rules.stochastic(lane) and name not in seen:
            seen.add(name)
            methods[place] = lane
    return methods


def _rungs(lane: Lane, ladder: tuple[int, ...]) -> list[Lane]:
    """The lane at each rung, each number of steps once."""
    climbed = {race_rules.fair([lane], nfe)[0].steps: None for nfe in sorted(ladder)}
    return [replace(lane, steps=count) for count in climbed]


def _waves(rungs: list[tuple[int, Lane, Ticket]]) -> list[list[tuple[int, Lane, Ticket]]]:
    """Rungs of like cost together, the cheap ones first: points come early and runs stay full."""
    ordered = sorted(rungs, key=lambda rung: _cost(rung[1]))
    return [ordered[k : k + reference.WAVE] for k in range(0, len(ordered), reference.WAVE)]


def _cost(lane: Lane) -> int:
    return lane.steps * race_rules.SAMPLERS[lane.sampler].evaluations


def _fit(place: int, points: list[Point], floor: float) -> Fit:
    line = order([p.nfe for p in points], [p.rmse for p in points], floor)
    if line is None:
        return Fit(place, None, None, None, TOO_FEW)
    return Fit(place, line.order, line.error, _constant(points, line.used, line.order))


def _constant(points: list[Point], used: tuple[int, ...], slope: float) -> float:
    """c of error = c·nfe^(-order): the geometric mean over the points of the fit."""
    product = 1.0
    for k in used:
        product *= (points[k].rmse * points[k].nfe ** slope) ** (1.0 / len(used))
    return product


def _used(points: list[Point], floor: float) -> set[tuple[int, int]]:
    line = order([p.nfe for p in points], [p.rmse for p in points], floor)
    return {(points[k].lane, points[k].nfe) for k in line.used} if line else set()
