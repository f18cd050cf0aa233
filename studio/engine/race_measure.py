"""What a race came to: every lane beside its reference, and what it would have taken alone.

A job of the worker's: it works between the forwards of whoever runs.
"""

from __future__ import annotations

import io
import time
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from studio.checkpoints.checkpoint import Checkpoint
from studio.contract import Finished, Step
from studio.diffusion.samplers.registry import SAMPLERS, levels_of
from studio.engine import race_ladder, race_rules
from studio.engine import race_reference as reference
from studio.engine.race_kept import Kept, Walked
from studio.engine.race_reference import Make, Progress
from studio.engine.worker import Worker
from studio.imaging.encode import psnr
from studio.metrics.distance import REACH, rmse, ssim
from studio.metrics.lpips import LEAST, lpips
from studio.metrics.sharpness import sharpness
from studio.racing import Lane, Mark, RaceRequest, RaceResult, Row
from studio.recipe import Guidance

if TYPE_CHECKING:
    from studio.engine.race import Race

TIMED = 6  # forwards, of which the fastest counts
NO_LIMIT = "It adds noise: it ends elsewhere than the flow, however many evaluations it gets."
KEEPS = (
    "It keeps the last bit of noise that this checkpoint's schedule ends with, the reference none: "
    "its error has a floor."
)
LPIPS = (
    "LPIPS is not measured: its net is not installed; `python -m studio extras install lpips` "
    "fetches it."
)
SECONDS = "Seconds alone: its evaluations times a forward measured alone, and a decode."


def measure(
    worker: Worker, race: Race, make: Make, kept: Kept
) -> Generator[None, None, RaceResult]:
    """The whole result. Raises StudioError; stops early, with less, when the race is cancelled."""
    request, merged = race.request, race.merged
    checkpoint = worker.checkpoint(request.base.model)
    kept.traits[request.base.model] = _traits(checkpoint)
    progress = Progress(merged.stream.put, merged.race, lambda: race.cancelled)
    walked = yield from reference.references(worker, request, make, kept, progress)
    yield from _time(worker, request, make, kept, progress)
    net = worker.looks.weights("lpips") if walked else None
    rows = []
    for place, finished in sorted(merged.finished.items()):
        state = race.tickets[place].state
        if state is not None:
            rows.append(_row(checkpoint, request, place, finished, state[0], walked, kept, net))
        yield
    convergence = None
    if request.ladder and walked:
        convergence = yield from race_ladder.points(
            worker, request, walked, make, merged.stream.put, progress
        )
    return RaceResult(
        request=request,
        xt_sha256=next(iter(merged.finished.values())).xt_sha256,
        rows=tuple(rows),
        same=race_rules.same(request.lanes, *kept.traits[request.base.model]),
        references=tuple(each.said for each in walked.values()),
        convergence=convergence,
        seconds=merged.ended - merged.began,
        notes=(SECONDS, LPIPS) if walked and net is None else (SECONDS,),
    )


def _traits(checkpoint: Checkpoint) -> tuple[str, bool]:
    return checkpoint.path.final, checkpoint.variance != "fixed_small"


def _row(
    checkpoint: Checkpoint,
    request: RaceRequest,
    place: int,
    finished: Finished,
    state: np.ndarray,
    walked: Mapping[Guidance, Walked],
    kept: Kept,
    net: Mapping[str, torch.Tensor] | None,
) -> Row:
    lane = request.lanes[place]
    goal = walked.get(lane.guidance)
    picture = np.asarray(Image.open(io.BytesIO(finished.pictures[0])).convert("RGB"))
    noisy = race_rules.stochastic(lane)
    likeness = None
    if goal and min(picture.shape[:2]) > 2 * REACH:
        likeness = ssim(picture, goal.picture)
    perceived = None
    if goal and net is not None and min(picture.shape[:2]) >= LEAST:
        perceived = lpips(picture, goal.picture, net)
    return Row(
        lane=place,
        sampler=lane.sampler,
        order=None if noisy else SAMPLERS[lane.sampler].order,
        steps=lane.steps,
        spacing=lane.spacing,
        eta=lane.eta,
        guidance=lane.guidance,
        nfe=finished.nfe,
        rows=finished.rows,
        seconds=_alone(request, finished.nfe, finished.rows, kept),
        seconds_raced=finished.seconds,
        rmse=rmse(state, goal.state) if goal else None,
        psnr=psnr(picture, goal.picture) if goal else None,
        ssim=likeness,
        lpips=perceived,
        sharpness=sharpness(picture),
        marks=_marks(checkpoint, lane, request.reference, noisy),
    )


def _marks(checkpoint: Checkpoint, lane: Lane, nfe: int, noisy: bool) -> tuple[Mark, ...]:
    """What keeps a lane from the reference whatever its evaluations."""
    marks = [Mark("no_limit", NO_LIMIT)] if noisy else []
    if not nfe:
        return tuple(marks)
    count = reference.steps(checkpoint, nfe)
    mine = levels_of(SAMPLERS[lane.sampler], checkpoint.path, lane.steps, lane.spacing)
    goal = levels_of(
        SAMPLERS[reference.SAMPLER], checkpoint.path, count, reference.spacing(checkpoint)
    )
    if mine[0] != goal[0]:
        words = f"It starts at t = {mine[0].t:.4g}, the reference at {goal[0].t:.4g}."
        marks.append(Mark("start", words))
    if mine[-2] != goal[-2]:
        words = (
            f"It jumps to the end from t = {mine[-2].t:.4g}, the reference from "
            f"{goal[-2].t:.4g}: at these steps its error has a floor."
        )
        marks.append(Mark("last", words))
    if mine[-1] != goal[-1]:
        marks.append(Mark("end", KEEPS))
    return tuple(marks)


# What a lane takes alone


def _time(
    worker: Worker, request: RaceRequest, make: Make, kept: Kept, progress: Progress
) -> Generator[None, None, None]:
    """Time forwards of as many rows as the lanes ask, shared with nobody, and one decode."""
    checkpoint = worker.checkpoint(request.base.model)
    for guidance in dict.fromkeys(lane.guidance for lane in request.lanes):
        few = request.base.with_(
            sampler="ddim", steps=TIMED, spacing="karras", guidance=guidance, alone=True
        )
        ticket = reference.probe(make, few)
        progress.total += TIMED
        yield from reference.walk(worker, [ticket], "timing a forward", progress)
        before = 0
        for step in (e for e in ticket.stream.kept() if isinstance(e, Step)):
            name = _name(request, step.rows - before)
            before = step.rows
            kept.seconds[name] = min(step.forward_ms / 1000, kept.seconds.get(name, np.inf))
        if ticket.state is not None and _name(request, 0) not in kept.seconds:
            reference.decoded(checkpoint, ticket.state[0])  # the first is never the usual one
            start = time.perf_counter()
            reference.decoded(checkpoint, ticket.state[0])
            kept.seconds[_name(request, 0)] = time.perf_counter() - start
        yield


def _alone(request: RaceRequest, nfe: int, rows: int, kept: Kept) -> float:
    """Seconds of `nfe` forwards with `rows` rows in all, one or two in each, and of a decode."""
    two = rows - nfe
    one = nfe - two
    forward = [kept.seconds.get(_name(request, count), 0.0) for count in (1, 2)]
    forward[0] = forward[0] or forward[1]
    forward[1] = forward[1] or forward[0]
    return one * forward[0] + two * forward[1] + kept.seconds.get(_name(request, 0), 0.0)


def _name(request: RaceRequest, rows: int) -> tuple[str, int, int, int]:
    return request.base.model, request.base.width, request.base.height, rows
