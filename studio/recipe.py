"""The recipe of a run: one frozen Request, its ranges and its JSON.

It knows what a value may be, not what exists: whether there is such a checkpoint or sampler is
the engine's to say.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from studio import adapting, controls, framing
from studio.adapting import Adapter as Adapter
from studio.controls import Control as Control
from studio.errors import BadRecipe, BadRequest, OverBudget
from studio.framing import Framing as Framing
from studio.ranges import is_text, number, whole

VERSION = 1
MAX_STEPS = 1000
MAX_COUNT = 16
MAX_SIDE = 2048
MAX_PROMPT = 2000  # characters
MAX_SEED = 2**63 - 1
MAX_GUIDANCE = 50.0
MAX_CHANNELS = 64
MAX_LABEL = 10**6
MAX_WORK = 512 * 512 * 50 * 16  # width × height × steps × count × the sampler's evaluations


@dataclass(frozen=True, slots=True)
class Guidance:
    """How the answers of several rows become one. `scale` 1 asks the conditional row alone.

    `rescale` φ ∈ [0, 1] is Lin et al. 2023, eq. 15-16. `interval` (low, high) switches guidance
    on where low ≤ t/T ≤ high (Kynkäänniemi et al. 2024, as shares of the network's time).
    "embedded" gives the scale to a network that was distilled to take it (FLUX). `channels` is
    how many of a state's channels are guided; 0 leaves it to the checkpoint (DiT's own: 3 of 4).
    """

    kind: str = "cfg"
    scale: float = 5.0
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)
    channels: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """The whole recipe of a run; running it again gives the same picture.

    `seed` names the first picture; picture k of a run of `count` has seed + k, so that any of
    them can be made again alone. `width`/`height` 0 mean the checkpoint's own size. `eta` is
    DDIM's η and is ignored by samplers without it. `alone` asks for forwards shared with
    nobody: bit-exact, whatever else the engine is doing.

    `template` is how the prompt was written where it had wildcards: the seed made the prompt of
    it once, and nothing is chosen again.

    `label` is the class of a class-conditional checkpoint, counted from 0; without one the prompt
    may name it.

    `image` names a picture to start from, as pixels' SHA-256: of the steps the last
    ⌊steps·strength⌋ are run, from its state with that much noise. Where `mask` is white it is
    painted anew, elsewhere kept.

    `framing` is what SDXL is told of the picture's size. `refiner` names a checkpoint that takes
    over for the last part of the way, from the share `handover` of the network's time on: at 0.8
    the model itself runs from t/T = 1 down to 0.2. The refiner drops the `controls`.

    `adapters` change the model, not the refiner. `vae` names an autoencoder that makes states of
    pictures and pictures of states in place of the checkpoint's own.
    """

    model: str
    prompt: str = ""
    template: str = ""
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
    label: int | None = None
    image: str = ""
    strength: float = 0.75
    mask: str = ""
    controls: tuple[Control, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    vae: str = ""
    framing: Framing = field(default_factory=Framing)
    refiner: str = ""
    handover: float = 0.8
    alone: bool = False
    version: int = VERSION

    def __post_init__(self) -> None:
        """Check every range; raises BadRequest or OverBudget with a sentence."""
        if isinstance(self.guidance, dict):
            object.__setattr__(self, "guidance", _guidance(self.guidance))
        object.__setattr__(self, "controls", controls.read(self.controls))
        object.__setattr__(self, "adapters", adapting.read(self.adapters))
        object.__setattr__(self, "framing", framing.read(self.framing))
        _check_request(self)

    def to_json(self) -> str:
        """One line of JSON with every field."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    def pictures(self) -> tuple[str, ...]:
        """The ids of the pictures that it names, each once."""
        named = (self.image, self.mask, *(control.image for control in self.controls))
        return tuple(dict.fromkeys(filter(None, named)))

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
        if "grid" in data:
            said = "This picture holds a whole grid; drop it in the X/Y grid of the Race tab."
            raise BadRecipe(said)
        if data.get("version") is None:
            raise BadRecipe(f"The recipe names no version; this studio reads version {VERSION}.")
        if not _is_version(data["version"]):
            raise BadRecipe(
                f"The recipe has version “{json.dumps(data['version'])[:20]}”, "
                f"and this studio reads version {VERSION}."
            )
        known = {f.name for f in fields(Request)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise BadRecipe(f"The recipe has an unknown field: “{unknown[0][:40]}”.")
        if "model" not in data:
            raise BadRecipe("The recipe names no model.")
        try:
            return Request(**data)
        except BadRequest as error:
            raise BadRecipe(f"The recipe cannot be run: {error}") from None


def _guidance(data: dict) -> Guidance:
    unknown = set(data) - {f.name for f in fields(Guidance)}
    if unknown:
        raise BadRequest(f"Guidance has no field “{sorted(unknown)[0][:40]}”.")
    interval = data.get("interval", (0.0, 1.0))
    if not isinstance(interval, list | tuple):
        raise BadRequest("The guidance interval is two numbers between 0 and 1.")
    return Guidance(**{**data, "interval": tuple(interval)})


def _is_version(value: Any) -> bool:
    return type(value) is int and value == VERSION  # nor 1.0, nor true


def _check_request(r: Request) -> None:
    if not _is_version(r.version):
        raise BadRequest(f"A request has version {VERSION}, not “{str(r.version)[:20]}”.")
    for name in ("model", "prompt", "template", "negative_prompt", "sampler", "spacing", "refiner"):
        if not is_text(getattr(r, name)):
            raise BadRequest(f"The {name.replace('_', ' ')} must be text.")
    if not isinstance(r.alone, bool):
        raise BadRequest("The field alone must be true or false.")
    for name in ("prompt", "template", "negative_prompt"):
        if len(getattr(r, name)) > MAX_PROMPT:
            raise BadRequest(
                f"The {name.replace('_', ' ')} has {len(getattr(r, name))} characters; "
                f"at most {MAX_PROMPT} are read. Shorten it."
            )
    whole("number of steps", r.steps, 1, MAX_STEPS)
    whole("number of pictures", r.count, 1, MAX_COUNT)
    whole("seed", r.seed, 0, MAX_SEED - r.count)  # so that every picture's own is one
    for name in ("width", "height"):
        side = getattr(r, name)
        whole(name, side, 0, MAX_SIDE)
        if side % 8 or 0 < side < 32:
            raise BadRequest(f"The {name} must be a multiple of 8 from 32 on, not {side}.")
    number("η (eta)", r.eta, 0.0, 1.0)
    number("hand-over", r.handover, 0.0, 1.0)
    if r.vae != "":
        adapting.check_id("autoencoder", r.vae)
    if r.label is not None:
        whole("class", r.label, 0, MAX_LABEL)
    g = r.guidance
    if not isinstance(g, Guidance) or g.kind not in ("none", "cfg", "embedded"):
        raise BadRequest("The guidance is 'none', 'cfg' or 'embedded'.")
    whole("number of guided channels", g.channels, 0, MAX_CHANNELS)
    number("guidance scale", g.scale, 0.0, MAX_GUIDANCE)
    number("guidance rescale", g.rescale, 0.0, 1.0)
    if len(g.interval) != 2:
        raise BadRequest("The guidance interval is two numbers between 0 and 1.")
    for edge in g.interval:
        number("guidance interval", edge, 0.0, 1.0)
    if g.interval[0] > g.interval[1]:
        raise BadRequest("The guidance interval must run from the smaller number to the larger.")
    _check_pictures(r)
    check_work(r, r.width or 32, r.height or 32)


def _check_pictures(r: Request) -> None:
    for name in ("image", "mask"):
        if getattr(r, name) != "":
            controls.check_picture(f"request's {name}", getattr(r, name))
    if r.mask and not r.image:
        raise BadRequest("A mask needs the picture that it is of; give a picture to start from.")
    number("strength", r.strength, 0.0, 1.0)
    if r.image and int(r.steps * r.strength) < 1:
        raise BadRequest(
            f"Of {r.steps} steps at strength {r.strength:g} none is left; raise one of the two."
        )


def check_work(r: Request, width: int, height: int, evaluations: int = 1) -> None:
    """Raise OverBudget when the request's product is too large at this size (in pixels).

    `evaluations` is how often its sampler asks the network in a step.
    """
    work = width * height * r.steps * r.count * evaluations
    if work > MAX_WORK:
        raise OverBudget(
            f"{r.count} picture(s) of {width}×{height} in {r.steps} steps are "
            f"{work / MAX_WORK:.1f} times what one run may take; lower one of the four."
        )
