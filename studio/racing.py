"""What the Race tab asks of the engine, and what it is answered: plain frozen values.

Lanes are samplers that start from one x_T; how near each comes to the flow's own end is measured
against a reference. The recipe of a race is in `race_recipe.py`. This module knows neither torch
nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from studio.race_recipe import LADDER as LADDER
from studio.race_recipe import LANES as LANES
from studio.race_recipe import MODES as MODES
from studio.race_recipe import SHOWN as SHOWN
from studio.race_recipe import Lane as Lane
from studio.race_recipe import RaceRequest as RaceRequest
from studio.recipe import Guidance, Request

What = Literal["xt", "x0", "eps"]


# Events, in the order in which a race meets them. `lane` counts from 0.


@dataclass(frozen=True, slots=True)
class RaceQueued:
    """Accepted as `request` (resolved: size filled in, fair steps given). `runs` are the lanes'
    own ids: `Engine.frame`, `film` and `levels` take them."""

    race: str
    request: RaceRequest
    runs: tuple[str, ...]
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class RaceLoading:
    """The checkpoint is being opened, as `contract.Loading`."""

    race: str
    model: str
    doing: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class LaneStep:
    """A lane's accepted state was answered; pictures are JPEG, empty where none was drawn.

    `nfe` counts the lane's questions so far; `rows` the rows that went through the network for
    them, so rows - nfe are guidance's extra ones. `share` is t/T of the state, `logsnr` its
    level. `shared_with` other runs were in the same forward.
    """

    race: str
    lane: int
    index: int
    total: int
    nfe: int
    rows: int
    t: float
    share: float
    logsnr: float
    step_ms: float
    left_s: float
    shared_with: int = 0
    xt: bytes = b""
    x0: bytes = b""


@dataclass(frozen=True, slots=True)
class LaneFinished:
    """A lane's picture. `seconds` from its first question to its picture, in this company."""

    race: str
    lane: int
    png: bytes
    nfe: int
    rows: int
    seconds: float
    xt_sha256: str  # of x_T: the same in every lane
    pixels_sha256: str
    steps_recorded: int


@dataclass(frozen=True, slots=True)
class LaneStopped:
    """A lane was stopped, or failed with a `message`; the others go on."""

    race: str
    lane: int
    steps_recorded: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Measuring:
    """The lanes are done; the reference is walked and the lanes are compared."""

    race: str
    doing: str  # "walking the reference", "timing a forward", "climbing the ladder"
    done: int  # evaluations
    total: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Why something is so: a `kind` for whoever translates, and English `words`.

    Kinds of `why`: alias, eta, unguided, first_order, posterior, one_step, rounding, method,
    order, noise, start, last, spacing, steps, guidance, end. Of a row: no_limit, start,
    last, end.
    """

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One lane in the table. Distances are to the reference of its own ODE; None: not measured.

    `order` is the method's nominal one, None where it adds noise. `seconds` is if run alone:
    `nfe` forwards of as many rows as it asks, measured after the race, and one decode.
    `rmse` is of the final states (per value), `psnr` (dB), `ssim` and `lpips` of the pictures.
    `sharpness` is `metrics.sharpness.sharpness` of the picture. `marks` say what limits it.
    """

    lane: int
    sampler: str
    order: int | None
    steps: int
    spacing: str
    eta: float
    guidance: Guidance
    nfe: int
    rows: int
    seconds: float
    seconds_raced: float
    rmse: float | None
    psnr: float | None
    ssim: float | None
    lpips: float | None
    sharpness: float
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """The flow's end under one guidance, as near as was asked. `error` is its own, per value of
    the state: estimated from half as many evaluations."""

    guidance: Guidance
    sampler: str
    spacing: str
    nfe: int
    error: float
    png: bytes
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A lane's method at one rung of the ladder."""

    lane: int
    nfe: int
    steps: int
    rmse: float
    used: bool = True  # False: left out of the fit, as `metrics.orders.order` says


@dataclass(frozen=True, slots=True)
class Fit:
    """rmse ≈ c·nfe^(-order) over the points that were `used`; `error` is the order's standard
    error. All three are None where there is nothing to fit, and `words` say why."""

    lane: int
    order: float | None
    error: float | None
    constant: float | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class Convergence:
    """Errors over evaluations, one line for each method among the lanes. `floor` is under which
    an error says nothing: twice the largest of the references' own errors."""

    points: tuple[Point, ...]
    fits: tuple[Fit, ...]
    floor: float


@dataclass(frozen=True, slots=True)
class RaceResult:
    """What a race came to. `notes` are sentences: how seconds were had, what was not measured."""

    request: RaceRequest
    xt_sha256: str
    rows: tuple[Row, ...]
    same: tuple[Group, ...]
    references: tuple[Reference, ...]
    convergence: Convergence | None = None
    seconds: float = 0.0  # first question to last picture of all lanes together
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Lanes that are provably one and the same walk, and why."""

    lanes: tuple[int, ...]
    why: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class RaceFinished:
    """Everything is measured."""

    race: str
    result: RaceResult


@dataclass(frozen=True, slots=True)
class RaceCancelled:
    """Stopped as a whole; what the lanes recorded can still be looked at."""

    race: str


@dataclass(frozen=True, slots=True)
class RaceFailed:
    """No lane came to its end, or measuring failed; `message` is fit to be shown."""

    race: str
    message: str


RaceEvent = (
    RaceQueued
    | RaceLoading
    | LaneStep
    | LaneFinished
    | LaneStopped
    | Measuring
    | Point
    | RaceFinished
    | RaceCancelled
    | RaceFailed
)
RACE_LAST = (RaceFinished, RaceCancelled, RaceFailed)


class Races(Protocol):
    """The engine's races. Every method may raise StudioError; none needs torch in the caller."""

    def default(self, base: Request) -> RaceRequest:
        """A race of methods that really differ, at equal evaluations."""
        ...

    def fair(self, lanes: Sequence[Lane], nfe: int) -> tuple[Lane, ...]:
        """Each lane with as many steps as `nfe` evaluations pay for, at least one.

        A second-order one-step method asks twice a step, a multistep method once. A step that
        ends clean may ask once less, so a lane may stay an evaluation below `nfe`.
        """
        ...

    def same(self, lanes: Sequence[Lane], model: str = "") -> tuple[Group, ...]:
        """The groups of two or more lanes that are provably one walk: on this model, as far as it
        is known, or whatever the model."""
        ...

    def why(self, one: Lane, other: Lane, model: str = "") -> tuple[Mark, ...]:
        """What makes two lanes differ, the weightiest first; that they are the same, if so."""
        ...

    def submit(self, request: RaceRequest) -> str:
        """Accept a race and return its id. Raises BadRequest, OverBudget, NotFound, Busy."""
        ...

    def events(self, race: str, timeout: float | None = None) -> Iterator[RaceEvent]:
        """From the race's beginning, as `Engine.events`: a slow reader loses stale LaneSteps."""
        ...

    def stop_lane(self, race: str, lane: int) -> None:
        """Stop one lane; the others go on. Idempotent."""
        ...

    def cancel(self, race: str) -> None:
        """Stop all of it now. Idempotent."""
        ...

    def forget(self, race: str) -> None:
        """Cancel it if it still goes, and free its recordings. Idempotent."""
        ...

    def frame(self, race: str, lane: int, step: int, what: What) -> bytes:
        """One recorded frame of a lane as PNG; `step` in [0, steps_recorded)."""
        ...

    def result(self, race: str) -> RaceResult | None:
        """What it came to; None while it goes. Raises NotFound."""
        ...

    def converge(
        self, request: RaceRequest, ladder: tuple[int, ...] = LADDER
    ) -> Iterator[Measuring | Point | Convergence]:
        """Climb a ladder of evaluations with every method among the lanes; the Convergence is
        last. Lanes that differ in steps alone are climbed once. Closing the iterator stops it."""
        ...
