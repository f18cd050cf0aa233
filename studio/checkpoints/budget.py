"""Whether a checkpoint fits, by arithmetic, before anything of it is read: no torch.

Weights are counted exactly, from the headers. What a run needs beside them is estimated from the
widths in the configuration: the decoder's widest layer at full resolution, or the denoiser's, for
two rows of one picture at the checkpoint's own size, whichever is more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.checkpoints import describe
from studio.checkpoints.describe import Part
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.place import HALF, Place
from studio.errors import BadCheckpoint

WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2}
QUANTISED = {"none": 0.0, "int8": 1.0, "int4": 0.55}  # bytes a number, its scales included
DECODER = 3  # tensors of its widest layer at full resolution that live at once: input, work, sum
DENOISER = 24  # of its first width: skips, queries, keys, values, the widened half of a block
ROWS = 2  # guidance
SLACK = 0.05  # of what is free, left alone
DENOISERS = ("unet", "transformer")


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes: weights as they will be held, the largest part of them, and work beside them."""

    weights: int
    largest: int
    activations: int


def place_for(entry: Entry, wanted: Place, auto: bool) -> Place:
    """The place with the dtype for this checkpoint: small ones gain nothing from half precision."""
    if auto and entry.bytes < HALF:
        return wanted.with_(dtype="float32")
    return wanted


def need(entry: Entry, where: Place) -> Need:
    """What a checkpoint needs at a place."""
    try:
        sizes = [_held(part, where) for part in describe.parts(entry)]
    except BadCheckpoint:
        sizes = []
    weights = sum(sizes) or entry.bytes
    return Need(weights, max(sizes, default=weights), _activations(entry, where))


def plan(wanted: Need, free: int, where: Place) -> str:
    """How it can be held: "whole", "model offload", "sequential offload" or "none"."""
    room = free * (1 - SLACK)
    offloads = where.partition(":")[0] == "cuda"
    ways = {
        "whole": wanted.weights + wanted.activations,
        "model offload": wanted.largest + wanted.activations,
        "sequential offload": wanted.activations,
    }
    asked = {"none": "whole", "model": "model offload", "sequential": "sequential offload"}
    allowed = [asked[where.offload]] if where.offload in asked else list(ways)
    for way in allowed:
        if ways[way] <= room and (way == "whole" or offloads):
            return way
    return "none"


def sentence(entry: Entry, wanted: Need, free: int, where: Place, way: str) -> str:
    """The arithmetic in words."""
    name, dtype = entry.id, where.dtype
    held, work, free_ = size(wanted.weights), size(wanted.activations), size(free)
    both = size(wanted.weights + wanted.activations)
    if way == "whole":
        return (
            f"{name} needs {held} of weights in {dtype} and about {work} to work, {both} "
            f"together; {free_} are free."
        )
    if way == "model offload":
        return (
            f"{name} needs {held} of weights in {dtype} and about {work} to work, {both} "
            f"together; only {free_} are free, so one network at a time will be on the device, "
            "which is slower."
        )
    if way == "sequential offload":
        return (
            f"{name} needs {held} of weights in {dtype} and about {work} to work, {both} "
            f"together; only {free_} are free, so one layer at a time will be on the device, "
            "which is slower."
        )
    return (
        f"{name} needs {held} of weights in {dtype} and about {work} to work, {both} together; "
        f"only {free_} are free. Unload another checkpoint, or take a smaller one."
    )


def size(count: float) -> str:
    """Bytes in words: "4.2 GB", "23 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def leaving(held: Sequence[tuple[str, int]], lacking: int) -> tuple[str, ...]:
    """Which of the held go, the first ones first, until so many bytes are free."""
    going = []
    for id, bytes in held:
        if lacking <= 0:
            break
        going.append(id)
        lacking -= bytes
    return tuple(going)


def _held(part: Part, where: Place) -> int:
    """The bytes of one part at a place. A VAE stays float32: half of it runs out of range."""
    if part.kind == describe.AUTHORS:
        return 4 * part.parameters
    if part.name in DENOISERS and where.quantise != "none":
        return int(part.parameters * QUANTISED[where.quantise])
    full = part.name in ("vae", "preview") or not part.headers
    return part.parameters * (4 if full else WIDTH[where.dtype])


def _activations(entry: Entry, where: Place) -> int:
    channels, high, wide = entry.latent
    decoder = DECODER * entry.size**2 * _first(entry, "vae", 16) * 4
    positions, width = high * wide, 64
    for part in DENOISERS:
        config = _config(entry, part)
        patch = config.get("patch_size")
        if "num_attention_heads" in config and isinstance(patch, int) and patch > 0:
            positions = high * wide // patch**2
            width = _whole(config.get("num_attention_heads")) * _whole(
                config.get("attention_head_dim")
            )
        elif config:
            width = _first(entry, part, width)
    denoiser = DENOISER * ROWS * positions * width * WIDTH[where.dtype]
    return max(decoder, denoiser, 4 * channels * high * wide)


def _first(entry: Entry, part: str, default: int) -> int:
    """The width at full resolution: the second of a decoder's, whose input is wider than it."""
    blocks = _config(entry, part).get("block_out_channels")
    if not isinstance(blocks, list | tuple) or not blocks:
        return default
    return _whole(blocks[min(1, len(blocks) - 1)] if part == "vae" else blocks[0]) or default


def _config(entry: Entry, part: str) -> dict[str, Any]:
    file = entry.folder / part / "config.json"
    return read_json(file) if not entry.folder.is_file() and file.is_file() else {}


def _whole(value: Any) -> int:
    return value if type(value) is int and 0 < value < 2**20 else 0
