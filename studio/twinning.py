"""What the exact twin asks of the engine, and what it is answered: plain frozen values.

Samplers on a Gaussian mixture in the plane, whose every answer is known in closed form, so that
their errors are numbers. This module knows neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from studio import ranges
from studio.errors import BadRequest, OverBudget

PATHS = ("vp_linear", "vp_cosine", "ve", "flow")
STEERINGS = ("none", "cfg", "classifier")
MAX_LANES = 12
MAX_STEPS = 200
PARTICLES = (100, 5000)
MAX_SCALE = 20.0
MAX_RUNGS = 12
MAX_WORK = 10_000_000  # particles × questions, over all lanes: some ten seconds on two cores
MOST_ASKS = 5  # questions that any method asks in a step

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Lane:
    """One competitor: a method, the path it walks and where it stops on the way.

    `sampler` and `spacing` are ids of `Engine.choices`; `eta` counts for methods that use it.
    """

    sampler: str = "ddim"
    path: str = "vp_cosine"
    steps: int = 20
    spacing: str = "trailing"
    eta: float = 0.0

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            said = f"The path must be one of {', '.join(PATHS)}, not “{str(self.path)[:40]}”."
            raise BadRequest(said)
        ranges.whole("number of steps", self.steps, 1, MAX_STEPS)
        ranges.number("η (eta)", self.eta, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Steering:
    """Guidance towards the class `label` of the mixture.

    "cfg": uncond + scale·(cond - uncond). "classifier": the whole's answer moved along the exact
    ∇log p(label | x_t), `scale` times; DDPM shifts its mean by Σ times that instead.
    """

    kind: str = "none"
    label: int = 0
    scale: float = 3.0

    def __post_init__(self) -> None:
        if self.kind not in STEERINGS:
            said = f"The guidance must be one of {', '.join(STEERINGS)}, not “{self.kind!s:.40}”."
            raise BadRequest(said)
        ranges.whole("class", self.label, 0, 99)
        ranges.number("guidance scale", self.scale, 0.0, MAX_SCALE)


@dataclass(frozen=True, slots=True)
class TwinRace:
    """Lanes on one mixture, all from one x_T; `data` is an id of `Twins.data`."""

    lanes: tuple[Lane, ...]
    data: str = "grid25"
    particles: int = 2000
    seed: int = 0
    steering: Steering = field(default_factory=Steering)

    def __post_init__(self) -> None:
        if not 1 <= len(self.lanes) <= MAX_LANES:
            raise BadRequest(f"A race has between 1 and {MAX_LANES} lanes.")
        ranges.whole("number of particles", self.particles, *PARTICLES)
        ranges.whole("seed", self.seed, 0, 2**64 - 1)
        work = self.particles * sum(lane.steps for lane in self.lanes)
        if work > MAX_WORK // MOST_ASKS:
            raise OverBudget(
                f"{self.particles} particles × {work // self.particles} steps in all lanes is more "
                f"than {MAX_WORK // MOST_ASKS}; take fewer particles, lanes or steps."
            )


@dataclass(frozen=True, slots=True)
class Data:
    """A mixture Σ_k weights[k]·N(means[k], diag(deviations[k]²)) in classes: k's is labels[k]."""

    id: str
    weights: tuple[float, ...]
    means: tuple[Point, ...]
    deviations: tuple[Point, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """How far two sets of points are apart as distributions. Both distances are ≥ 0.

    `sliced`: 1-Wasserstein distance, the mean over directions. `energy`: √(2E|X-Y| - E|X-X'| -
    E|Y-Y'|), over at most 1,000 points of each.
    """

    sliced: float
    energy: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded state z = cos(angle)·x0 + sin(angle)·eps after `nfe` questions.

    Every path's x_t = alpha·x0 + sigma·eps is z·√(alpha² + sigma²) with tan(angle) = sigma/alpha:
    0 is clean, π/2 noise alone, which is N(0, 1) everywhere. `t` is the network's own time;
    `inner` states lie within a step.
    """

    step: int
    nfe: int
    t: float
    angle: float
    inner: bool = False


@dataclass(frozen=True, slots=True)
class Cloud:
    """Points in the plane, packed: unsigned 16-bit little-endian of [-reach, reach].

    `packed` has the shape (frames, points, 2).
    """

    frames: int
    points: int
    reach: float
    packed: bytes


@dataclass(frozen=True, slots=True)
class Way:
    """The exact flow of some particles: `cloud` has a frame for each angle, noisiest first."""

    angles: tuple[float, ...]
    cloud: Cloud


@dataclass(frozen=True, slots=True)
class Ran:
    """A lane that has been run.

    `rmse` and `median` are distances from the exact flow of the same x_T over `Raced.marked`
    particles: the former is ruled by the few that end in another mode, the latter tells a typical
    one. Both None for a stochastic lane, which has no pathwise limit. `gap` is to true samples
    of what the lane should draw from. `straightness`: the distance from start to end over the
    length of the way, along the exact flow in this path's own coordinates, mean over the marked
    particles; 1 is a line.
    """

    lane: Lane
    label: str
    order: int
    stochastic: bool
    nfe: int
    frames: tuple[Frame, ...]
    cloud: Cloud
    way: int  # of Raced.ways: the exact flow that starts where this lane does
    rmse: float | None
    median: float | None
    gap: Gap
    straightness: float
    seconds: float
    same_as: int | None  # an earlier lane with the very same result


@dataclass(frozen=True, slots=True)
class Raced:
    """A finished race.

    `floor` is the mean of `gap` between two sets of true samples of this size, `spread` its
    standard deviation over `draws` pairs. `ideal` are true samples of what should be drawn: the
    mixture, or p(x)·p(label | x)^scale where it is guided. `ideal_gap` is how far the marked
    exact ends are from as many of them, `ideal_floor` two true samples of that size. `tolerance`
    is that of the exact flow's integration, absolute and a step.
    """

    race: TwinRace
    data: Data
    xt_sha256: str
    lanes: tuple[Ran, ...]
    floor: Gap
    spread: Gap
    draws: int
    ways: tuple[Way, ...]
    ideal: Cloud
    ideal_gap: Gap
    ideal_floor: Gap
    marked: int
    tolerance: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Rung:
    """A lane at one number of questions: an error (deterministic) and a distance (any)."""

    steps: int
    nfe: int
    rmse: float | None
    median: float | None
    sliced: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Climb:
    """A lane's convergence over the ladder of questions.

    `order` is the fitted slope of ln(median) over -ln(nfe), `error` its standard error, and `used`
    the rungs it was fitted through: the last in which the error falls and is the method's own.
    """

    index: int
    lane: Lane
    label: str
    nominal: int
    stochastic: bool
    rungs: tuple[Rung, ...]
    order: float | None
    error: float | None
    used: tuple[int, ...]


class Twins(Protocol):
    """The exact twin's verbs. Every method may raise StudioError; none needs torch in the caller.

    Closing an iterator stops it.
    """

    def data(self) -> tuple[Data, ...]:
        """The mixtures there are."""
        ...

    def race(self, asked: TwinRace) -> Raced:
        """Run all lanes from one x_T; under a second for 2,000 particles × 4 lanes × 20 steps."""
        ...

    def climb(self, asked: TwinRace, nfes: tuple[int, ...]) -> Iterator[Climb]:
        """Each lane at every number of questions, whatever its own steps; a lane at a time."""
        ...


def check_rungs(nfes: tuple[int, ...]) -> tuple[int, ...]:
    """A ladder in rising order; raises BadRequest."""
    if not 1 <= len(nfes) <= MAX_RUNGS:
        raise BadRequest(f"A ladder has between 1 and {MAX_RUNGS} rungs.")
    for nfe in nfes:
        ranges.whole("number of evaluations", nfe, 1, 1000)
    return tuple(sorted(set(nfes)))
