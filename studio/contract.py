"""What the face and the engine know of each other: a Request goes in, Events come out.

Plain frozen values, picklable and JSON-able. This module knows neither torch nor gradio, nor how
anything is computed; it checks ranges, and the engine checks what only the engine can know
(does the checkpoint exist, is there such a sampler).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Protocol

from studio.errors import BadRecipe, BadRequest, OverBudget

VERSION = 1
MAX_STEPS = 1000
MAX_COUNT = 16
MAX_SIDE = 2048
MAX_PROMPT = 2000  # characters
MAX_SEED = 2**63 - 1
MAX_GUIDANCE = 50.0
MAX_WORK = 512 * 512 * 50 * 16  # width × height × steps × count, in pixel evaluations

What = Literal["xt", "x0", "eps"]
Film = Literal["gif", "mp4"]


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the answers of several rows become one. `scale` 1 asks the conditional row alone.

    `rescale` φ ∈ [0, 1] is Lin et al. 2023, eq. 15-16. `interval` (low, high) switches guidance
    on where low ≤ t/T ≤ high (Kynkäänniemi et al. 2024, as shares of the network's time).
    """

    kind: str = "cfg"
    scale: float = 5.0
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Request:
    """The whole recipe of a run; running it again gives the same picture.

    `seed` names the first picture; picture k of a run of `count` has seed + k, so that any of
    them can be made again alone. `width`/`height` 0 mean the checkpoint's own size. `eta` is
    DDIM's η and is ignored by samplers without it. `alone` asks for forwards shared with
    nobody: bit-exact, whatever else the engine is doing.
    """

    model: str
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    width: int = 0
    height: int = 0
    count: int = 1
    sampler: str = "ddim"
    eta: float = 0.0
    spacing: str = "trailing"
    steps: int = 20
    guidance: Guidance = field(default_factory=Guidance)
    alone: bool = False
    version: int = VERSION

    def __post_init__(self) -> None:
        """Check every range; raises BadRequest or OverBudget with a sentence."""
        if isinstance(self.guidance, dict):
            object.__setattr__(self, "guidance", _guidance(self.guidance))
        _check_request(self)

    def to_json(self) -> str:
        """One line of JSON with every field."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    def with_(self, **changes: Any) -> Request:
        """A copy with some fields changed, checked again."""
        return replace(self, **changes)

    @staticmethod
    def from_json(text: str) -> Request:
        """The request that `to_json` wrote; unknown or ill-typed fields raise BadRecipe."""
        if len(text) > 100_000:
            raise BadRecipe("The recipe is longer than any this studio writes; it was not read.")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise BadRecipe("The recipe is not valid JSON; it was not read.") from None
        if not isinstance(data, dict):
            raise BadRecipe("The recipe is not a JSON object; it was not read.")
        if data.get("version") != VERSION:
            raise BadRecipe(
                f"The recipe has version {str(data.get('version'))[:20]!r}, "
                f"and this studio reads version {VERSION}."
            )
        known = {f.name for f in fields(Request)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise BadRecipe(f"The recipe has an unknown field: {unknown[0][:40]!r}.")
        if "model" not in data:
            raise BadRecipe("The recipe names no model.")
        try:
            return Request(**data)
        except BadRequest as error:
            raise BadRecipe(f"The recipe cannot be run: {error}") from None


def _guidance(data: dict) -> Guidance:
    unknown = set(data) - {f.name for f in fields(Guidance)}
    if unknown:
        raise BadRequest(f"Guidance has no field {sorted(unknown)[0][:40]!r}.")
    interval = data.get("interval", (0.0, 1.0))
    if not isinstance(interval, list | tuple):
        raise BadRequest("The guidance interval is two numbers between 0 and 1.")
    return Guidance(**{**data, "interval": tuple(interval)})


def _check_request(r: Request) -> None:
    for name in ("model", "prompt", "negative_prompt", "sampler", "spacing"):
        if not isinstance(getattr(r, name), str):
            raise BadRequest(f"The field {name} must be text.")
    if not isinstance(r.alone, bool):
        raise BadRequest("The field alone must be true or false.")
    for name in ("prompt", "negative_prompt"):
        if len(getattr(r, name)) > MAX_PROMPT:
            raise BadRequest(
                f"The {name.replace('_', ' ')} has {len(getattr(r, name))} characters; "
                f"at most {MAX_PROMPT} are read. Shorten it."
            )
    _whole("seed", r.seed, 0, MAX_SEED - MAX_COUNT)
    _whole("number of steps", r.steps, 1, MAX_STEPS)
    _whole("number of pictures", r.count, 1, MAX_COUNT)
    for name in ("width", "height"):
        side = getattr(r, name)
        _whole(name, side, 0, MAX_SIDE)
        if side % 8 or 0 < side < 32:
            raise BadRequest(f"The {name} must be a multiple of 8 from 32 on, not {side}.")
    _number("η (eta)", r.eta, 0.0, 1.0)
    g = r.guidance
    if not isinstance(g, Guidance) or g.kind not in ("none", "cfg"):
        raise BadRequest("The guidance is either 'none' or 'cfg'.")
    _number("guidance scale", g.scale, 0.0, MAX_GUIDANCE)
    _number("guidance rescale", g.rescale, 0.0, 1.0)
    if len(g.interval) != 2:
        raise BadRequest("The guidance interval is two numbers between 0 and 1.")
    for edge in g.interval:
        _number("guidance interval", edge, 0.0, 1.0)
    if g.interval[0] > g.interval[1]:
        raise BadRequest("The guidance interval must run from the smaller number to the larger.")
    check_work(r, r.width or 32, r.height or 32)


def check_work(r: Request, width: int, height: int) -> None:
    """Raise OverBudget when the request's product is too large at this size (in pixels)."""
    work = width * height * r.steps * r.count
    if work > MAX_WORK:
        raise OverBudget(
            f"{r.count} picture(s) of {width}×{height} in {r.steps} steps are "
            f"{work / MAX_WORK:.1f} times what one run may take; lower one of the four."
        )


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"The {name} must be a whole number, not {str(value)[:40]!r}.")
    if not low <= value <= high:
        raise BadRequest(f"The {name} must be between {low} and {high}, not {str(value)[:40]}.")


def _number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"The {name} must be a number, not {str(value)[:40]!r}.")
    if not low <= value <= high:
        raise BadRequest(f"The {name} must be between {low:g} and {high:g}, not {value:g}.")


@dataclass(frozen=True, slots=True)
class View:
    """How a run is watched. Not part of the recipe: it changes no picture.

    `preview` is how x̂0 is drawn while it runs: "auto" takes the tiny decoder when that costs
    under a quarter of a step, else the linear map; "tiny" and "rgb" force one; "off" sends
    numbers only. `anatomy` adds the conditional and unconditional x̂0 to each Step.
    """

    preview: Literal["auto", "tiny", "rgb", "off"] = "auto"
    anatomy: bool = False


# Events, in the order in which a run meets them. `run` is the run's opaque id.


@dataclass(frozen=True, slots=True)
class Queued:
    """Accepted; `ahead` runs will be served before or together with it."""

    run: str
    ahead: int = 0


@dataclass(frozen=True, slots=True)
class Loading:
    """The checkpoint is being opened. `doing` is a short phrase, `share` in [0, 1] or None."""

    run: str
    model: str
    doing: str
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """Where on the path a step was asked: network time t, its share t/T, and the noise there."""

    t: float
    share: float
    alpha: float
    sigma: float
    logsnr: float  # of the asked state; inf at the clean end


@dataclass(frozen=True, slots=True)
class Step:
    """An accepted state x_t was answered. Pictures are JPEG bytes, one per picture of the run.

    `index` counts from 0 to `total` - 1. `nfe` counts the network evaluations of this run so
    far as questions; `rows` the rows that went through the network for them (guidance doubles
    those). `step_ms` is the wall time since the previous Step, `forward_ms` this run's share
    of the forwards in it. `delta` is ‖x̂0_cond − x̂0_uncond‖ per value (RMS), or None.
    """

    run: str
    index: int
    total: int
    nfe: int
    rows: int
    level: Level
    step_ms: float
    forward_ms: float
    left_s: float
    shared_with: int = 0  # other runs in the same forward
    xt: tuple[bytes, ...] = ()
    x0: tuple[bytes, ...] = ()
    cond: tuple[bytes, ...] = ()
    uncond: tuple[bytes, ...] = ()
    delta: float | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """Denoising is done; the full decoder makes the pictures."""

    run: str


@dataclass(frozen=True, slots=True)
class PreviewCard:
    """What drew the previews, what it costs and how close it is to the full decoder (dB)."""

    kind: str  # "tiny" | "rgb" | "exact" | "off"
    ms: float
    step_ms: float
    psnr: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The pictures as PNG bytes (no metadata: the store writes the recipe into them)."""

    run: str
    request: Request  # resolved: size and defaults filled in
    pictures: tuple[bytes, ...]
    pixels_sha256: tuple[str, ...]  # of the RGB bytes, per picture
    xt_sha256: str  # of the first state x_T, float32
    nfe: int
    rows: int
    seconds: float  # first question to last picture
    step_ms: tuple[float, ...]
    steps_recorded: int
    preview: PreviewCard
    notes: tuple[str, ...] = ()  # sentences, e.g. what a prompt's unknown words fell back to
    stopped_early: bool = False  # "Finish this one": fewer pictures than asked for


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Stopped before it finished; steps up to `steps_recorded` can still be scrubbed."""

    run: str
    steps_recorded: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work; `message` is fit to be shown."""

    run: str
    message: str


Event = Queued | Loading | Step | Decoding | Finished | Cancelled | Failed
LAST = (Finished, Cancelled, Failed)  # after one of these a run's stream ends


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list the visitor chooses from."""

    id: str
    label: str
    hint: str = ""
    evaluations: int = 1  # network evaluations a step (samplers)
    stochastic: bool = False
    uses_eta: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """What this engine offers, read off its registries."""

    samplers: tuple[Choice, ...]
    spacings: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What is known of a checkpoint without loading its weights."""

    id: str
    title: str
    family: str
    knows: str  # "draws icons, 128 px"
    size: int  # the side it was trained at, in pixels
    latent: tuple[int, int, int]  # C, H, W of the state
    parameters: int
    bytes: int
    licence: str
    prediction: str
    conditions: Literal["text", "class", "none"] = "text"
    defaults: Request | None = None  # a request that gives a good picture at once
    examples: tuple[str, ...] = ()
    card: str = ""  # Markdown
    loaded: bool = False
    trained: bool = True  # False for the exact denoiser


@dataclass(frozen=True, slots=True)
class Known:
    """How near a prompt is to what the model saw: captions and cosine similarities, best first."""

    known: bool
    nearest: tuple[tuple[str, float], ...]


class Engine(Protocol):
    """The device's one owner, as the face sees it. Every method may raise StudioError.

    Calls return at once or block briefly; none needs torch in the caller. A run belongs to
    whoever holds its id: ids are unguessable, and there is no way to list them.
    """

    def catalog(self) -> tuple[CheckpointInfo, ...]: ...

    def default_model(self) -> str: ...

    def choices(self) -> Choices: ...

    def submit(self, request: Request, view: View | None = None) -> str:
        """Accept a run and return its id. Raises BadRequest, NotFound, Busy."""
        ...

    def events(self, run: str, timeout: float | None = None) -> Iterator[Event]:
        """The run's events from now on, ending after Finished, Cancelled or Failed.

        A slow reader loses stale Steps, never the newest and never another kind of event.
        Closing the iterator does not stop the run: `cancel` does. Raises NotFound.
        """
        ...

    def cancel(self, run: str) -> None:
        """Stop now: at most the forward in flight is finished, nothing is decoded. Idempotent."""
        ...

    def finish(self, run: str) -> None:
        """Finish this one: drop the pictures after the first and complete that one. Idempotent."""
        ...

    def frame(self, run: str, step: int, what: What, picture: int = 0) -> bytes:
        """One recorded frame as PNG bytes; step in [0, steps_recorded)."""
        ...

    def film(self, run: str, kind: Film, what: What = "x0", picture: int = 0) -> bytes:
        """The whole recorded run as an animated GIF or an MP4."""
        ...

    def levels(self, run: str) -> tuple[Level, ...]:
        """The level of every recorded step, for the scrubber's labels."""
        ...

    def known(self, model: str, prompt: str) -> Known:
        """The nearest things this checkpoint saw; may load its text encoder."""
        ...

    def forget(self, run: str) -> None:
        """Cancel the run if it still goes, and free its recording. Idempotent."""
        ...

    def status(self) -> str:
        """One phrase about the engine: starting, ready, or what it is doing."""
        ...

    def close(self) -> None:
        """Stop the worker and free the device."""
        ...
