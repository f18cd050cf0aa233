"""Control networks: what a folder says of one, and whether it fits a checkpoint. No weights.

A folder without a `model_index.json` whose `config.json` names a class of `KINDS` holds one, and
so does an image prompt adapter's, which has no such file. What is compared is what would not fit
inside a forward: which family it is of, and its widths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio.checkpoints import headers, image_prompt
from studio.checkpoints.entry import Entry, check_inside, read_json, words
from studio.checkpoints.fingerprint import weights_sha256
from studio.errors import BadCheckpoint, BadRequest

MAX_SCALE, MAX_GUIDANCE, MAX_SETTING = 2.0, 50.0, 1e6  # of what a control may advise
FAMILY_NAMES = {
    "sd": "Stable Diffusion",
    "sdxl": "Stable Diffusion XL",
    "sd3": "Stable Diffusion 3",
    "flux": "FLUX",
    "pixart": "PixArt",
    "dit": "DiT",
    "pixel": "UNet on pixels",
    "exact": "exact denoiser",
}
STEERED = ("sd", "sdxl", "sd3", "flux")  # of them, those that have controls
FIELDS = {  # of both configurations, that must agree
    "unet": ("block_out_channels", "cross_attention_dim", "layers_per_block", "down_block_types"),
    "transformer": (
        "in_channels",
        "patch_size",
        "attention_head_dim",
        "num_attention_heads",
        "joint_attention_dim",
        "pooled_projection_dim",
    ),
}
FREE: dict[str, dict[str, tuple[int | None, ...]]] = {  # what may be these and still fit
    "SD3ControlNetModel": {"joint_attention_dim": (None,)},  # one that does not read the text
    "FluxControlNetModel": {"patch_size": (1, 2)},  # 2 where convolutions read the picture
}
ADAPTER = "T2IAdapter"


@dataclass(frozen=True, slots=True)
class ControlEntry:
    """A control network that could be loaded for a checkpoint of `family`.

    `preprocessor` and `settings` made the hints that it was trained on; "" where it does not say.
    `base` and `base_sha256` name the one checkpoint that it was trained for, where it says so.
    """

    id: str
    folder: Path
    family: str
    title: str
    parameters: int
    bytes: int
    licence: str
    card: str
    config: dict[str, Any]
    preprocessor: str = ""
    settings: tuple[tuple[str, float], ...] = ()
    base: str = ""
    base_sha256: str = ""
    scale: float = 1.0  # advised
    guidance: float | None = None  # advised; None for the base's own

    @property
    def whole(self) -> bool:
        """Whether it takes a picture as a prompt, seen whole, and not as lines to follow."""
        return self.config.get("_class_name") == image_prompt.CLASS


def is_control(folder: Path) -> bool:
    """Whether a folder holds a control network; raises BadCheckpoint for JSON that is none.

    Of files only an image prompt adapter is meant for one.
    """
    if folder.is_file() or not (folder / "config.json").is_file():
        return image_prompt.is_one(folder)
    if (folder / "model_index.json").is_file():
        return False
    return str(read_json(folder / "config.json").get("_class_name")) in KINDS


def describe(folder: Path) -> ControlEntry:
    """The entry of a control's folder; raises BadCheckpoint with a sentence."""
    check_inside(folder)
    found: tuple[headers.Header, ...] = ()
    if (folder / "config.json").is_file():
        config = read_json(folder / "config.json")
    else:
        config = image_prompt.config(folder)
        found = headers.weights(folder / image_prompt.ENCODER)
    found += headers.weights(folder)
    said, own = words(folder), {}
    if (folder / "studio.json").is_file():
        own = read_json(folder / "studio.json").get("control", {})
    own = own if isinstance(own, dict) else {}
    settings = own.get("settings", {})
    numbers = settings.items() if isinstance(settings, dict) else ()
    return ControlEntry(
        id=said["id"],
        folder=folder,
        family=KINDS[config["_class_name"]](config),
        title=said["title"],
        parameters=sum(h.parameters for h in found),
        bytes=sum(h.bytes for h in found),
        licence=said["licence"],
        card=said["card"],
        config=config,
        preprocessor=str(own.get("preprocessor", "")),
        settings=tuple((str(k), float(v)) for k, v in numbers if _finite(v)),
        base=str(own.get("base", "")),
        base_sha256=str(own.get("base_sha256", "")),
        scale=_within(own.get("scale"), MAX_SCALE) or 1.0,
        guidance=_within(own.get("guidance"), MAX_GUIDANCE),
    )


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= MAX_SETTING


def _within(value: Any, most: float) -> float | None:
    """A number in (0, most]; None for anything else that a file may say."""
    return float(value) if isinstance(value, int | float) and 0 < value <= most else None


def check_fit(control: ControlEntry, base: Entry) -> None:
    """Raise BadRequest, before anything loads, for a control that is not for this checkpoint."""
    of = image_prompt.families(control.config) if control.whole else (control.family,)
    if base.family not in of:
        theirs, mine = FAMILY_NAMES[control.family], FAMILY_NAMES.get(base.family, base.family)
        if base.family not in STEERED:
            raise BadRequest(
                f"The control {control.title} is for {theirs}, and no control fits {base.title} "
                f"({mine}); choose another checkpoint."
            )
        raise BadRequest(
            f"The control {control.title} is for {theirs}, and {base.title} is {mine}; choose a "
            "control of its family."
        )
    channels = _channels(control.config)
    if channels != 3:
        raise BadRequest(
            f"The control {control.title} wants a picture of {str(channels)[:20]} channels, and "
            "pictures here have 3; choose another control."
        )
    if control.config.get("num_mode") is not None:
        raise BadRequest(
            f"The control {control.title} holds controls of several kinds in one, and cannot be "
            "told which to follow here; choose a control of one kind."
        )
    part = "transformer" if control.family in ("sd3", "flux") else "unet"
    network, weights = _network(base, part)
    differ = _differ(control.config, network, FIELDS[part]) if network else []
    if differ:
        raise BadRequest(
            f"The control {control.title} was made for another network than {base.title}: their "
            f"{differ[0].replace('_', ' ')} differ. Choose a control for this checkpoint."
        )
    if control.base_sha256 and weights and control.base_sha256 != _weights(weights):
        raise BadRequest(
            f"The control {control.title} was trained for {control.base[:60]} with other weights "
            f"than {base.title} has; its lines would not be followed. Choose another control."
        )


def _network(base: Entry, part: str) -> tuple[dict[str, Any], Path | None]:
    """The configuration of a base's denoiser, and the folder of its weights.

    One whole file says the first in its header, and has no weights of that layout to be hashed.
    """
    if "single" in base.options:
        return base.options["single"].get(part, {}), None
    file = base.folder / part / "config.json"
    return read_json(file) if file.is_file() else {}, base.folder / part


def check_size(control: ControlEntry, width: int, height: int) -> None:
    """Raise BadRequest for sides that an adapter cannot fold into its first features."""
    if control.config.get("_class_name") != ADAPTER:
        return
    fold = control.config.get("downscale_factor", 8)
    if width % fold or height % fold:
        raise BadRequest(
            f"The control {control.title} reads pictures whose sides are multiples of {fold}, not "
            f"{width}×{height}; choose another size."
        )


def _channels(config: dict[str, Any]) -> Any:
    """How many channels a control reads a picture in, where a grey one counts as a picture."""
    if config["_class_name"] == ADAPTER:
        own = config.get("in_channels", 3)
        return 3 if own == 1 else own
    extra = config.get("extra_conditioning_channels") or 0  # SD3's for inpainting read a mask
    if not isinstance(extra, int):
        return str(extra)  # no whole number: nothing that equals 3
    return 3 + extra if extra else config.get("conditioning_channels", 3)


def _differ(config: dict[str, Any], network: dict[str, Any], fields: tuple[str, ...]) -> list[str]:
    """The names of what a control and its base should have in common, and have not."""
    if config["_class_name"] == image_prompt.CLASS:
        return image_prompt.differ(config, network)
    if config["_class_name"] == ADAPTER:
        return _differ_adapter(config, network)
    free = FREE.get(config["_class_name"], {})
    return [
        f
        for f in fields
        if f in network and network[f] != config.get(f)
        if f not in free or config.get(f) not in free[f]
    ]


def _differ_adapter(config: dict[str, Any], network: dict[str, Any]) -> list[str]:
    """An adapter has the widths of its base's down blocks; beyond them only the middle's."""
    xl = config.get("adapter_type") == "full_adapter_xl"
    if config.get("downscale_factor", 8) != (16 if xl else 8):
        return ["downscale_factor"]
    own, theirs = config.get("channels"), network.get("block_out_channels")
    if not isinstance(own, list) or not isinstance(theirs, list) or not own or not theirs:
        return ["block_out_channels"]
    own = [*own, own[-1]] if config.get("adapter_type") == "light_adapter" else own
    fits = own[: len(theirs)] == theirs and own[len(theirs) :] in ([], theirs[-1:])
    return [] if fits else ["block_out_channels"]


def _weights(folder: Path) -> str:
    try:
        changed = tuple(sorted((f.name, f.stat().st_mtime_ns) for f in folder.iterdir()))
        return _hashed(folder, changed)
    except (OSError, BadCheckpoint):
        return ""


@lru_cache(maxsize=64)
def _hashed(folder: Path, changed: tuple) -> str:
    """The folder's hash; `changed` names its files' times, so that new weights are read again."""
    return weights_sha256(folder)


def _of_unet(config: dict[str, Any]) -> str:
    return "sdxl" if config.get("addition_embed_type") == "text_time" else "sd"


def _of_adapter(config: dict[str, Any]) -> str:
    return "sdxl" if config.get("adapter_type") == "full_adapter_xl" else "sd"


KINDS: dict[str, Callable[[dict[str, Any]], str]] = {  # a class to its family
    "ControlNetModel": _of_unet,
    ADAPTER: _of_adapter,
    "SD3ControlNetModel": lambda config: "sd3",
    "FluxControlNetModel": lambda config: "flux",
    image_prompt.CLASS: lambda config: image_prompt.families(config)[0],
}
