"""Control networks: what a folder says of one, and whether it fits a checkpoint. No weights.

A folder without a `model_index.json` whose `config.json` names a class of `KINDS` holds one. What
is compared is what would not fit inside a forward: which family it is of, and its widths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.entry import Entry, check_inside, read_json, words
from studio.checkpoints.fingerprint import weights_sha256
from studio.errors import BadCheckpoint, BadRequest

FAMILY_NAMES = {
    "sd": "Stable Diffusion",
    "sdxl": "Stable Diffusion XL",
    "sd3": "Stable Diffusion 3",
}
FIELDS = {  # of both configurations, that must agree
    "unet": ("block_out_channels", "cross_attention_dim", "layers_per_block", "down_block_types"),
    "transformer": ("attention_head_dim", "num_attention_heads", "joint_attention_dim"),
}


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


def is_control(folder: Path) -> bool:
    """Whether a folder holds a control network; raises BadCheckpoint for JSON that is none."""
    if (folder / "model_index.json").is_file() or not (folder / "config.json").is_file():
        return False
    return read_json(folder / "config.json").get("_class_name") in KINDS


def describe(folder: Path) -> ControlEntry:
    """The entry of a control's folder; raises BadCheckpoint with a sentence."""
    check_inside(folder)
    config = read_json(folder / "config.json")
    found = headers.weights(folder)
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
        settings=tuple((str(k), float(v)) for k, v in numbers if isinstance(v, int | float)),
        base=str(own.get("base", "")),
        base_sha256=str(own.get("base_sha256", "")),
    )


def check_fit(control: ControlEntry, base: Entry) -> None:
    """Raise BadRequest, before anything loads, for a control that is not for this checkpoint."""
    if control.family != base.family:
        theirs = FAMILY_NAMES.get(control.family, control.family)
        mine = FAMILY_NAMES.get(base.family, base.title)
        raise BadRequest(
            f"The control {control.title} is for {theirs}, and {base.title} is {mine}; choose a "
            "control of its family."
        )
    channels = control.config.get("conditioning_channels", 3)
    if control.family != "sd3" and channels != 3:
        raise BadRequest(
            f"The control {control.title} wants a picture of {str(channels)[:20]} channels, and "
            "pictures here have 3; choose another control."
        )
    part = "transformer" if control.family == "sd3" else "unet"
    file = base.folder / part / "config.json"
    network = read_json(file) if file.is_file() else {}
    differ = [f for f in FIELDS[part] if f in network and network[f] != control.config.get(f)]
    if differ:
        raise BadRequest(
            f"The control {control.title} was made for another network than {base.title}: their "
            f"{differ[0].replace('_', ' ')} differ. Choose a control for this checkpoint."
        )
    if control.base_sha256 and control.base_sha256 != _weights(base.folder / part):
        raise BadRequest(
            f"The control {control.title} was trained for {control.base[:60]} with other weights "
            f"than {base.title} has; its lines would not be followed. Choose another control."
        )


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


KINDS: dict[str, Callable[[dict[str, Any]], str]] = {  # a class to its family
    "ControlNetModel": _of_unet,
    "SD3ControlNetModel": lambda config: "sd3",
}
