"""What the Noise tab asks of the engine, and what it is answered: plain frozen values.

The forward process of a picture under a schedule, what a checkpoint knows at each level, and the
way from a picture to its noise and back. This module knows neither torch nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from studio.errors import BadRequest
from studio.recipe import MAX_PROMPT

SPACES = ("pixel", "latent")
METHODS = ("ddim", "edict")
SIDES = (16, 512)
STEPS = (10, 4000)
MAX_SHARES = 64
MAX_SEEDS = 32

Numbers = tuple[float | None, ...]  # None where a value is not finite


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which noise levels: an id of `Lab.schedules`, cut into T steps.

    `scaled`: β of a linear schedule times 1000/T, so that it still ends in noise. `zero_snr`
    rescales a variance-preserving table to end at SNR 0. `shift` moves a flow's time to noise.
    """

    id: str = "cosine"
    T: int = 1000
    scaled: bool = True
    zero_snr: bool = False
    shift: float = 1.0

    def __post_init__(self) -> None:
        _number("number of training steps T", self.T, STEPS, whole=True)
        _number("flow shift", self.shift, (0.1, 20))


@dataclass(frozen=True, slots=True)
class Noising:
    """One forward process: x_t = alpha·x0 + sigma·eps, with one eps for every t.

    In "pixel" space x0 is the picture in [-1, 1], `side` pixels square; in "latent" space it is
    what the checkpoint's VAE makes of it, at the checkpoint's own size. eps is the noise that
    `seed` names, as for a run.
    """

    schedule: Schedule = field(default_factory=Schedule)
    space: str = "pixel"
    model: str = ""
    seed: int = 0
    side: int = 128

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise BadRequest(f"The space must be pixel or latent, not “{str(self.space)[:40]}”.")
        _number("seed", self.seed, (0, 2**64 - 1), whole=True)
        _number("picture's side", self.side, SIDES, whole=True)


@dataclass(frozen=True, slots=True)
class Curves:
    """A schedule at each of its T levels, cleanest first; share = t/T in [0, 1].

    `alpha_bar` is alpha²/(alpha² + sigma²), so that paths of every kind compare. `beta` is the
    variance that a step adds. `kl` is KL(q(x_t|x0) ‖ N(0, I)) in nats per value, for this x0.
    The posterior q(x_{t-1}|x_t, x0) has mean post_x0·x0 + post_xt·x_t and variance post_var.
    """

    id: str
    kind: str  # "vp" or "flow"
    share: Numbers
    alpha: Numbers
    sigma: Numbers
    alpha_bar: Numbers
    beta: Numbers
    snr: Numbers
    logsnr: Numbers
    kl: Numbers
    post_x0: Numbers
    post_xt: Numbers
    post_var: Numbers


@dataclass(frozen=True, slots=True)
class Row:
    """The forward process at one level; `mean` and `std` are of the values of x_t itself."""

    t: float  # share of the schedule, 0 clean to 1
    alpha: float
    sigma: float
    alpha_bar: float
    beta: float
    snr: float | None
    logsnr: float | None
    kl: float | None
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Process:
    """All that is needed to draw x_t at any t: x_t = alpha·x0 + sigma·eps, value by value.

    `x0` and `eps` are float32 (C, H, W), little endian. Where the state is not a picture,
    `matrix` (C + 1 rows of 3, the last the bias) draws it, and each value stands for `down`
    pixels a side. `against` is a second schedule on the same x0 and eps.
    """

    noising: Noising
    shape: tuple[int, int, int]
    x0: bytes
    eps: bytes
    picture: bytes  # PNG, as it was cut
    curves: Curves
    against: Curves | None
    matrix: tuple[tuple[float, float, float], ...] | None
    down: int


@dataclass(frozen=True, slots=True)
class Strip:
    """x_t at some levels, as PNG, and their numbers; `decoded` only in latent space."""

    rows: tuple[Row, ...]
    frames: tuple[bytes, ...]
    decoded: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """x_t of one level through the VAE's decoder, as PNG."""

    share: float
    picture: bytes


@dataclass(frozen=True, slots=True)
class Walked:
    """x_t reached by single steps q(x_t|x_{t-1}), beside the closed form.

    The steps' noises compose into one ε̄ = (x_t − alpha·x0)/sigma: `exact` is the largest
    difference of the closed form on the recursively composed ε̄, `mean` and `std` are of ε̄, and
    `ks` its Kolmogorov–Smirnov distance to N(0, 1) times √values: 1.36 is passed in 5 % of draws.
    """

    share: float
    steps: int
    picture: bytes
    exact: float
    mean: float
    std: float
    ks: float


@dataclass(frozen=True, slots=True)
class Guess:
    """What a checkpoint makes of x_t in one step. Errors are mean squares per value of x0.

    `error` is averaged over `seeds` noises with its standard error (None for one seed), `blind`
    is the error of dividing x_t by alpha: 1/SNR in expectation, None where alpha is 0.
    """

    index: int
    total: int
    share: float
    logsnr: float | None  # None where it is infinite
    seeds: int
    error: float
    standard_error: float | None
    blind: float | None
    xt: bytes  # PNG, first seed
    x0: bytes


@dataclass(frozen=True, slots=True)
class Inverting:
    """How far an inversion is: evaluations done of all, and the state as a JPEG."""

    done: int
    total: int
    back: bool  # on the way from noise to picture
    picture: bytes


@dataclass(frozen=True, slots=True)
class Inverted:
    """Picture → noise → picture. `rmse` is per value of the state, `psnr` of the pictures, dB.

    `mean` and `std` are of the noise that was found: 0 and 1 if it were ideal.
    """

    method: str
    steps: int
    evaluations: int
    original: bytes
    noise: bytes
    picture: bytes
    rmse: float
    psnr: float
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Density:
    """How often training draws each share t/T: values of a density on a common grid."""

    id: str
    values: tuple[float, ...]


class Lab(Protocol):
    """The engine's verbs beside generation. Every method may raise StudioError; none needs torch
    in the caller. Pictures are the bytes of a PNG, JPEG or WebP. Closing an iterator stops it."""

    def schedules(self) -> tuple[str, ...]: ...

    def process(
        self, noising: Noising, picture: bytes, against: Schedule | None = None
    ) -> Process: ...

    def strip(self, noising: Noising, picture: bytes, shares: tuple[float, ...]) -> Strip: ...

    def film(self, noising: Noising, picture: bytes, frames: int = 33) -> bytes:
        """x_t from clean to noise as an animated GIF."""
        ...

    def decoded(
        self, noising: Noising, picture: bytes, shares: tuple[float, ...]
    ) -> Iterator[Decoded]: ...

    def walk(
        self, noising: Noising, picture: bytes, shares: tuple[float, ...]
    ) -> Iterator[Walked]: ...

    def guesses(
        self,
        noising: Noising,
        picture: bytes,
        shares: tuple[float, ...],
        prompt: str = "",
        seeds: int = 4,
    ) -> Iterator[Guess]: ...

    def invert(
        self, noising: Noising, picture: bytes, method: str, steps: int, prompt: str = ""
    ) -> Iterator[Inverting | Inverted]: ...

    def densities(self, points: int = 129) -> tuple[Density, ...]: ...


def check_shares(shares: tuple[float, ...]) -> tuple[float, ...]:
    """Times as shares of the schedule; raises BadRequest."""
    if not 1 <= len(shares) <= MAX_SHARES:
        raise BadRequest(f"Give between 1 and {MAX_SHARES} times t.")
    for share in shares:
        _number("time t", share, (0, 1))
    return tuple(float(share) for share in shares)


def check_question(prompt: str, seeds: int = 1) -> None:
    """What a checkpoint is asked with; raises BadRequest."""
    _number("number of seeds", seeds, (1, MAX_SEEDS), whole=True)
    if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
        raise BadRequest(f"A prompt is a text of at most {MAX_PROMPT} characters.")


def check_inversion(method: str, steps: int) -> None:
    """How a picture is inverted; raises BadRequest."""
    if method not in METHODS:
        raise BadRequest(f"A picture is inverted by ddim or edict, not “{str(method)[:40]}”.")
    _number("number of steps", steps, (2, 200), whole=True)


def _number(name: str, value: object, bounds: tuple[float, float], whole: bool = False) -> None:
    kind = int if whole else (int, float)
    low, high = bounds
    if isinstance(value, bool) or not isinstance(value, kind):
        if value is None:
            raise BadRequest(f"The {name} is empty; give a number.")
        if whole:
            raise BadRequest(f"The {name} must be a whole number, not “{str(value)[:40]}”.")
        raise BadRequest(f"The {name} must be a number, not “{str(value)[:40]}”.")
    if not low <= value <= high:  # false for NaN
        raise BadRequest(f"The {name} must be between {low} and {high}, not {str(value)[:40]}.")
