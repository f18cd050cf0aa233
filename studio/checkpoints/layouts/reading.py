"""What the layouts read off in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.allowed import part_class
from studio.checkpoints.entry import read_json, words
from studio.checkpoints.layouts.scheduled import suggested
from studio.errors import BadCheckpoint

LARGEST = 4096  # positions a side of a state, and channels
VOCABULARIES = ("tokenizer.json", "spiece.model", "vocab.json", "vocab.txt")
MAX_CLASSES = 100_000


def check_parts(folder: Path, parts: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The folder's `model_index.json`, its parts being of these classes. Raises BadCheckpoint."""
    index = read_json(folder / "model_index.json")
    for part, classes in parts.items():
        part_class(folder.name, part, index.get(part), classes)
        if part.startswith("tokenizer"):
            check_vocabulary(folder, part)
    return index


def check_vocabulary(folder: Path, part: str) -> None:
    """Raise BadCheckpoint for a tokenizer that could know no word."""
    if not any((folder / part / name).is_file() for name in VOCABULARIES):
        raise BadCheckpoint(f"{folder.name} has a tokenizer without a vocabulary.")


def whole(folder: Path, config: dict[str, Any], name: str, most: int = LARGEST) -> int:
    """A whole number from 1 to `most` out of a configuration; raises BadCheckpoint."""
    value = config.get(name)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]  # a side given as [side, side]
    if type(value) is not int or not 1 <= value <= most:
        raise BadCheckpoint(
            f"{folder.name}: its configuration says {name} = {str(value)[:40]}, and this studio "
            f"needs a whole number from 1 to {most} there."
        )
    return value


def down(folder: Path, channels: int) -> int:
    """Pixels a side of one position of a state, by the VAE, whose states must have `channels`."""
    vae = read_json(folder / "vae" / "config.json")
    blocks = vae.get("block_out_channels")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 8:
        raise BadCheckpoint(f"{folder.name} does not say how large its states are.")
    states = vae.get("latent_channels", 4)
    if states != channels:
        raise BadCheckpoint(
            f"{folder.name} has a network for states of {channels} channels and an autoencoder of "
            f"{str(states)[:20]}; they do not belong together."
        )
    return 2 ** (len(blocks) - 1)


def common(
    folder: Path, parts: tuple[str, ...], scale: float, steps: int = 30, **changes: Any
) -> dict[str, Any]:
    """The fields of an Entry that do not depend on the layout: words, parameters, bytes.

    The first recipe is the scheduler's own with this scale of guidance and these `changes`, where
    `studio.json` says no other.
    """
    said = words(folder)
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    defaults = suggested(scheduler, scale, steps) | changes | said["defaults"]
    found = [header for part in parts for header in headers.weights(folder / part)]
    if (folder / "preview").is_dir():
        headers.weights(folder / "preview")
    return said | {
        "defaults": defaults,
        "parameters": sum(header.parameters for header in found),
        "bytes": sum(header.bytes for header in found),
    }


def prediction(folder: Path) -> str:
    """What the scheduler's configuration says that the network predicts."""
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    straight = "shift" in scheduler and "beta_schedule" not in scheduler
    if straight or scheduler.get("use_flow_sigmas"):
        return "flow_prediction"
    return str(scheduler.get("prediction_type", "epsilon"))


def class_names(folder: Path, said: Any, count: int) -> tuple[str, ...]:
    """Names of the classes out of an `id2label` or a list; numbers where there are none.

    Where only some of the `count` are named, the others are "", and cut off at the end: a network
    may have more rows than it was taught.
    """
    names = [""] * count
    try:
        pairs = said.items() if isinstance(said, dict) else enumerate(said or ())
        for key, name in pairs:
            if not 0 <= int(key) < count or not 0 < len(name.strip()) <= 400:
                raise ValueError
            names[int(key)] = name.strip()
    except (ValueError, TypeError, AttributeError):
        raise BadCheckpoint(f"{folder.name} lists classes that it does not have.") from None
    named = max((k + 1 for k, name in enumerate(names) if name), default=0)
    return tuple(names[:named]) or tuple(f"class {k}" for k in range(count))
