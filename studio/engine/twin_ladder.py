"""Each lane at every number of questions: its error's order, its distance's descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from studio.diffusion.noise import key
from studio.diffusion.samplers.registry import SAMPLERS
from studio.engine.twin_field import Field, field
from studio.engine.twin_race import TOLERANCE, Kept, Noise, Pauses, first, known, off, start, walk
from studio.errors import BadRequest
from studio.metrics.clouds import sliced_wasserstein
from studio.metrics.orders import order
from studio.twinning import MAX_STEPS, Climb, Lane, Rung, TwinRace

ABOVE = 20.0  # an error this many tolerances large is the method's own


def climb(asked: TwinRace, nfes: tuple[int, ...], kept: Kept) -> Iterator[Climb | None]:
    """A Climb for each lane, in order, and None for each pause."""
    truth = field(asked.data, asked.steering)
    eps, noise, _ = first(asked.seed, asked.particles)
    ideal = truth.draw(asked.particles, key(asked.seed, 0, -7))
    for index, lane in enumerate(asked.lanes):
        sampler = SAMPLERS[lane.sampler]
        loose = sampler.stochastic or ("eta" in sampler.options and lane.eta > 0.0)
        rungs: list[Rung] = []
        for steps in dict.fromkeys(max(1, nfe // sampler.evaluations) for nfe in nfes):
            if steps <= MAX_STEPS:
                tried = replace(lane, steps=steps)
                rung = yield from _rung(tried, loose, asked, truth, eps, noise, ideal, kept)
                rungs += [rung] if rung else []
        errors = [float("nan") if r.median is None else r.median for r in rungs]
        fit = order([r.nfe for r in rungs], errors, ABOVE * TOLERANCE)
        yield Climb(
            index=index,
            lane=lane,
            label=sampler.label,
            nominal=sampler.order,
            stochastic=loose,
            rungs=tuple(rungs),
            order=fit.order if fit else None,
            error=fit.error if fit else None,
            used=fit.used if fit else (),
        )


def _rung(
    lane: Lane,
    loose: bool,
    asked: TwinRace,
    truth: Field,
    eps: Tensor,
    noise: Noise,
    ideal: Tensor,
    kept: Kept,
) -> Pauses:
    """Returns the Rung; None where the method runs away in so few steps."""
    try:
        run = yield from walk(lane, truth, eps, noise, record=False)
    except BadRequest:
        return None
    yield
    rmse, median = None, None
    if not loose:
        flow = yield from known(kept, asked, truth, eps, start(lane))
        rmse, median = off(run.end, flow[-1])
    return Rung(lane.steps, run.nfe, rmse, median, sliced_wasserstein(run.end, ideal), run.seconds)
