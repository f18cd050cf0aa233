"""What the face and the engine know of each other: a Request goes in, Events come out.

Plain frozen values, picklable. This module knows neither torch nor gradio, nor how anything is
computed. The Request itself, with its ranges, is in `recipe.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from studio.adapting import Adapting
from studio.controls import Steering
from studio.gridding import Grids
from studio.holding import Holdings
from studio.insides import Insides
from studio.noising import Lab
from studio.prompting import Tokens
from studio.racing import Races
from studio.recipe import Framing as Framing
from studio.recipe import Guidance as Guidance
from studio.recipe import Request as Request
from studio.twinning import Twins

What = Literal["xt", "x0", "eps"]
Film = Literal["gif", "mp4"]


@dataclass(frozen=True, slots=True)
class View:
    """How a run is watched. Not part of the recipe: it changes no picture.

    `preview` is how x̂0 is drawn while it runs: "auto" takes the tiny decoder when that costs
    under a quarter of a step, else the linear map; "tiny" and "rgb" force one; "off" sends
    numbers only. `anatomy` adds the conditional and unconditional x̂0 to each Step. `tiny` names a
    tiny autoencoder to draw with in place of the checkpoint's own.
    """

    preview: Literal["auto", "tiny", "rgb", "off"] = "auto"
    anatomy: bool = False
    tiny: str = ""


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
    """Where on the path a step was asked: network time t, its share t/T, and the noise there.

    `step` is the `Step.index` that asked: of a long run not every step is recorded.
    """

    t: float
    share: float
    alpha: float
    sigma: float
    logsnr: float  # of the asked state; inf at the clean end
    step: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """An accepted state x_t was answered. Pictures are JPEG bytes, one per picture of the run.

    x̂0 is at the picture's size, x_t at the state's own: a latent's position is one pixel.

    `index` counts from 0 to `total` - 1. `nfe` counts the network evaluations of this run so
    far as questions; `rows` the rows that went through the network for them (guidance doubles
    those). `step_ms` is the wall time since the previous Step, `forward_ms` this run's share
    of the forwards in it. `delta` is ‖x̂0_cond − x̂0_uncond‖ per value (RMS), or None. `control`
    holds, for each control, the RMS of what it added to each block, none where it did not act.
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
    control: tuple[tuple[float, ...], ...] = ()


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
    classes: tuple[str, ...] = ()  # the names of the classes, from class 0 on; "" is not offered
    framed: bool = False  # it is told of sizes: `Request.framing` has an effect
    refines: bool = False  # made to take over another's last steps: a `Request.refiner`
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

    lab: Lab  # the forward process, what a model knows of it, inversion
    steering: Steering  # controls, and what they are shown
    adapting: Adapting  # adapters and autoencoders
    races: Races  # samplers side by side on one x_T
    twin: Twins  # samplers on mixtures in the plane, where every answer is exact
    grids: Grids  # one request over two of its fields
    holdings: Holdings  # checkpoints: what they are made of, loading, memory, the hub
    insides: Insides  # what happens in a checkpoint's networks

    def catalog(self) -> tuple[CheckpointInfo, ...]: ...

    def default_model(self) -> str: ...

    def choices(self) -> Choices: ...

    def keep(self, picture: bytes) -> str:
        """Keep a PNG, JPEG or WebP file for requests to name; its id. Raises BadPicture."""
        ...

    def kept(self, picture: str) -> bytes:
        """A kept picture as PNG bytes, upright, RGB, at most 2048 a side. Raises NotFound."""
        ...

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
        """One recorded frame as PNG bytes; `step` is a place in `levels`, [0, steps_recorded)."""
        ...

    def film(self, run: str, kind: Film, what: What = "x0", picture: int = 0) -> bytes:
        """The recorded run in a few seconds, as an animated GIF or an MP4. One at a time a run."""
        ...

    def levels(self, run: str) -> tuple[Level, ...]:
        """The level of every recorded step in order, each with the step that it is of."""
        ...

    def known(self, model: str, prompt: str) -> Known:
        """The nearest things this checkpoint saw; may load its text encoder."""
        ...

    def tokens(self, model: str, prompt: str) -> Tokens | None:
        """How many tokens the prompt has for this checkpoint, of how many that are read.

        It loads no more than a tokenizer; None where the checkpoint reads no tokens. Raises
        BadRequest for a weight that is too large.
        """
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
