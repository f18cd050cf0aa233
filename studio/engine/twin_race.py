"""A race on the exact twin: every lane from one x_T, its recorded states, its errors."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.diffusion import exact_flow, spacing
from studio.diffusion.noise import KeyedNoise, key
from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.twins import TWINS
from studio.engine.jobs import Job
from studio.engine.twin_field import PLANES, Field, field, path_of, stretch
from studio.errors import BadRequest
from studio.metrics.clouds import energy_distance, sliced_wasserstein
from studio.twinning import Cloud, Data, Frame, Gap, Lane, Raced, Ran, TwinRace, Way

MARKED = 256  # particles whose exact flow is integrated
SHOWN = 64  # of these, whose exact ways are drawn
NODES = 33  # angles of an exact way
TOLERANCE = 1e-9
DRAWS = 6  # pairs of true samples that measure the distances' sampling noise
FRAMES = (12, 64)  # of a lane's recording, at least and at most
BUDGET = 1_500_000  # particles × frames over all lanes
BREATH = 8  # questions between two pauses
CHAINS = ("annealed_langevin", "predictor_corrector")  # their inner states are worth seeing
BLIND = math.pi / 2 - 1e-6
KEPT = 24  # exact flows and sampling noises that are remembered, 140 kB each
SOUND = 1e6  # a coordinate further out has no meaning

Kept = OrderedDict[Any, Any]
Noise = Callable[..., Tensor]
Pauses = Generator[None, None, Any]  # work in pieces; what it returns is said by its docstring


@dataclass(frozen=True, slots=True)
class Start:
    """The angle of a lane's first level, and its first state there as a multiple of eps."""

    angle: float
    scale: float


@dataclass(slots=True)
class Walked:
    """A lane's run: the levels and states of its questions, and its end."""

    frames: list[Frame]
    states: list[Tensor]  # (B, 2) each, on the circle
    nfe: int
    end: Tensor
    seconds: float


def all_data() -> tuple[Data, ...]:
    """Every mixture in the plane."""
    return tuple(data(name) for name in PLANES)


def data(name: str) -> Data:
    """A mixture as plain values."""
    twin = TWINS[name]()
    means, widths = twin.all.means.tolist(), twin.all.variances.sqrt().tolist()
    return Data(
        id=name,
        weights=tuple(twin.all.weights.tolist()),
        means=tuple((u, v) for u, v in means),
        deviations=tuple((u, v) for u, v in widths),
        labels=tuple(twin.labels.tolist()),
        classes=twin.classes,
    )


def first(seed: int, count: int) -> tuple[Tensor, Noise, str]:
    """x_T as (count, 2), the keyed noise of the steps, and the hash of x_T's float32."""
    keyed = KeyedNoise((seed,), (count, 2))
    eps = keyed.first()[0]
    said = hashlib.sha256(eps.numpy().astype("<f4").tobytes()).hexdigest()
    return eps.double(), lambda step, stage=0: keyed(step, stage)[0].double(), said


def race(asked: TwinRace, kept: Kept) -> Job:
    """All lanes, one after another; yields between a few questions."""
    began = time.perf_counter()
    truth = field(asked.data, asked.steering)
    eps, noise, said = first(asked.seed, asked.particles)
    runs: list[Walked] = []
    for lane in asked.lanes:
        runs.append((yield from walk(lane, truth, eps, noise)))
    marked = min(MARKED, asked.particles)
    starts = [start(lane) for lane in asked.lanes]
    flows: dict[Start, Tensor] = {}
    for place in dict.fromkeys(starts):
        flows[place] = yield from known(kept, asked, truth, eps, place)
    ideal = truth.draw(asked.particles, key(asked.seed, 0, -7))
    floor, spread = yield from noise_of(kept, asked, truth, asked.particles)
    ideal_floor, _ = yield from noise_of(kept, asked, truth, marked)
    places = list(flows)
    lanes: list[Ran] = []
    for lane, run, place in zip(asked.lanes, runs, starts, strict=True):
        lanes.append(_ran(lane, run, places.index(place), flows[place], ideal, asked, lanes, runs))
        yield
    some = next(iter(flows.values()))[-1]
    return Raced(
        race=asked,
        data=data(asked.data),
        xt_sha256=said,
        lanes=tuple(lanes),
        floor=floor,
        spread=spread,
        draws=DRAWS,
        ways=tuple(Way(nodes(p.angle), packed(f[:, :SHOWN])) for p, f in flows.items()),
        ideal=packed(ideal[None]),
        ideal_floor=ideal_floor,
        ideal_gap=gap(some, truth.draw(marked, key(asked.seed, 1, -7))),
        marked=marked,
        tolerance=TOLERANCE,
        seconds=time.perf_counter() - began,
    )


def walk(lane: Lane, truth: Field, eps: Tensor, noise: Noise, record: bool = True) -> Pauses:
    """Run one lane; returns a Walked."""
    path, sampler = path_of(lane.path), SAMPLERS[lane.sampler]
    levels = visited(lane, path)
    options = {"eta": lane.eta} if "eta" in sampler.options else {}
    began = time.perf_counter()
    run = sampler.method(path.first(levels[0]) * eps, path, levels, noise=noise, **options)
    out = Walked([], [], 0, eps, 0.0)
    try:
        ask = next(run)
        while True:
            if record and (ask.stage == 0 or lane.sampler in CHAINS):
                angle = exact_flow.angle(ask.level)
                frame = Frame(ask.step, out.nfe, ask.level.t, angle, ask.stage > 0)
                out.frames.append(frame)
                out.states.append(ask.x / math.hypot(ask.level.alpha, ask.level.sigma))
            out.nfe += 1
            ask = run.send(truth.answer(ask, by_mean=lane.sampler == "ddpm"))
            if out.nfe % BREATH == 0:
                paused = time.perf_counter()
                yield
                began += time.perf_counter() - paused  # others' work is not this lane's
    except StopIteration as end:
        out.end = end.value
    if not bool((out.end.abs() < SOUND).all()):
        raise BadRequest(
            f"{sampler.label} runs away with {lane.steps} steps on this way; take more steps, "
            "another spacing or less guidance."
        )
    if record:
        out.frames.append(Frame(lane.steps, out.nfe, 0.0, 0.0))
        out.states.append(out.end)
    out.seconds = time.perf_counter() - began
    return out


def visited(lane: Lane, path: Path) -> tuple[Level, ...]:
    """The lane's levels, ending clean. Raises BadRequest where its spacing has no such steps."""
    try:
        return spacing.levels(path, lane.steps, lane.spacing, final="zero")
    except ValueError as error:
        raise BadRequest(f"This lane cannot be walked: {error}.") from None


def start(lane: Lane) -> Start:
    """Where a lane begins."""
    path = path_of(lane.path)
    level = visited(lane, path)[0]
    scale = path.first(level) / math.hypot(level.alpha, level.sigma)
    return Start(round(exact_flow.angle(level), 12), round(scale, 12))


def nodes(start: float) -> tuple[float, ...]:
    """The angles at which an exact way is kept."""
    return (*(float(a) for a in np.linspace(start, 0.0, NODES)[:-1]), 0.0)


def known(kept: Kept, asked: TwinRace, truth: Field, eps: Tensor, start: Start) -> Pauses:
    """The exact flow of the marked particles, integrated once for all races that share it."""
    about = (asked.data, asked.steering, asked.seed, asked.particles, start)
    marked = eps[: min(MARKED, len(eps))]
    return (yield from remembered(kept, about, lambda: exact(truth, marked, start)))


def remembered(kept: Kept, about: Any, make: Callable[[], Pauses]) -> Pauses:
    """What `make` returns, made once; the oldest of KEPT is forgotten."""
    if about not in kept:
        kept[about] = yield from make()
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return kept[about]


def exact(truth: Field, eps: Tensor, start: Start) -> Pauses:
    """The exact flow of eps from a start on; returns (NODES, B, 2) on the circle."""
    out = []
    for z in exact_flow.flow(start.scale * eps, nodes(start.angle), truth.pair, TOLERANCE):
        out.append(z)
        yield
    return torch.stack(out)


def off(end: Tensor, exact: Tensor) -> tuple[float, float]:
    """Root mean square and median distance of the marked particles from their exact ends."""
    far = (end[: len(exact)] - exact).square().sum(1)
    return float(far.mean().sqrt()), float(far.median().sqrt())


def gap(x: Tensor, y: Tensor) -> Gap:
    """Both distances between two clouds of as many points."""
    return Gap(sliced_wasserstein(x, y), energy_distance(x.float(), y.float()))


def noise_of(kept: Kept, asked: TwinRace, truth: Field, count: int) -> Pauses:
    """As `sampling_noise`, measured once."""
    about = ("noise", asked.data, asked.steering, count)
    return (yield from remembered(kept, about, lambda: sampling_noise(truth, count)))


def sampling_noise(truth: Field, count: int) -> Pauses:
    """(mean, standard deviation) of the distances between two true samples of this size."""
    found = []
    for k in range(DRAWS):
        a, b = (truth.draw(count, key(0, k, side)) for side in (-8, -9))
        found.append(gap(a, b))
        yield
    values = np.array([[g.sliced, g.energy] for g in found])
    mean, spread = values.mean(0), values.std(0, ddof=1)
    return Gap(float(mean[0]), float(mean[1])), Gap(float(spread[0]), float(spread[1]))


def packed(states: Tensor) -> Cloud:
    """(F, B, 2) in 16 bits a coordinate."""
    reach = max(float(states.abs().max()), 1.0)
    shares = (states / reach + 1.0) * (65535 / 2)
    return Cloud(
        len(states), states.shape[1], reach, shares.round().numpy().astype("<u2").tobytes()
    )


def _ran(
    lane: Lane,
    run: Walked,
    way: int,
    flow: Tensor,
    ideal: Tensor,
    asked: TwinRace,
    done: Sequence[Ran],
    runs: Sequence[Walked],
) -> Ran:
    sampler = SAMPLERS[lane.sampler]
    loose = sampler.stochastic or ("eta" in sampler.options and lane.eta > 0.0)
    most = min(max(BUDGET // (len(asked.lanes) * asked.particles), FRAMES[0]), FRAMES[1])
    kept = sorted({round(k) for k in np.linspace(0, len(run.frames) - 1, most)})
    rmse, median = (None, None) if loose else off(run.end, flow[-1])
    twin = next((k for k in range(len(done)) if torch.equal(runs[k].end, run.end)), None)
    kind = path_of(lane.path).kind
    return Ran(
        lane=lane,
        label=sampler.label,
        order=sampler.order,
        stochastic=loose,
        nfe=run.nfe,
        frames=tuple(run.frames[k] for k in kept),
        cloud=packed(torch.stack([run.states[k] for k in kept])),
        way=way,
        rmse=rmse,
        median=median,
        gap=gap(run.end, ideal),
        straightness=straightness(flow, start(lane).angle, kind),
        seconds=run.seconds,
        same_as=twin,
    )


def straightness(flow: Tensor, start: float, kind: str) -> float:
    """Of an exact flow in a path's own coordinates, mean over particles."""
    skip = 1 if kind == "ve" and start > BLIND else 0  # it would begin infinitely far out
    return float(exact_flow.along(flow[skip:], nodes(start)[skip:], stretch(kind)).mean())
