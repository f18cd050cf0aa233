"""UNets on pixels in DDPMPipeline's or DDIMPipeline's layout: a `UNet2DModel`, no autoencoder.

`studio.json` may list `classes` and say which class stands for none (`null_class`), as ADM's
classifier-free successors train one; without it there is nothing to guide away from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.checkpoints.allowed import ALLOWED
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.reading import (
    MAX_CLASSES,
    check_parts,
    class_names,
    common,
    prediction,
    whole,
)
from studio.errors import BadCheckpoint

PARTS = {"unet": ("UNet2DModel",), "scheduler": ALLOWED["scheduler"]}
VARIANCES = {  # diffusers' names, and what they are here
    "fixed_small": "fixed_small",
    "fixed_small_log": "fixed_small",
    "fixed_large": "fixed_large",
    "fixed_large_log": "fixed_large",
    "learned": "learned",
    "learned_range": "learned_range",
}


def describe(folder: Path) -> Entry:
    """The entry of a folder with a `UNet2DModel`; raises BadCheckpoint."""
    check_parts(folder, PARTS)
    unet = read_json(folder / "unet" / "config.json")
    side, channels = whole(folder, unet, "sample_size", 2048), whole(folder, unet, "in_channels")
    blocks = unet.get("block_out_channels")
    if channels not in (1, 3) or side % 8 or side < 32:
        raise BadCheckpoint(
            f"{folder.name} makes pictures of {side} pixels in {channels} channels; this studio "
            "shows 1 or 3 channels and sides that are multiples of 8 from 32 on."
        )
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 10:
        raise BadCheckpoint(f"{folder.name} does not say how large its states are.")
    if unet.get("class_embed_type") is not None or unet.get("time_embedding_type") == "fourier":
        raise BadCheckpoint(
            f"{folder.name} has a UNet that wants its time or class in another way."
        )
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    return Entry(
        **common(folder, ("unet",), 3.0, 50, spacing="trailing"),
        **_classes(folder, unet),
        family="pixel",
        size=side,
        latent=(channels, side, side),
        prediction=prediction(folder),
        multiple=max(8, 2 ** (len(blocks) - 1)),
        options=_options(folder, unet, scheduler, channels),
    )


def _classes(folder: Path, unet: dict[str, Any]) -> dict[str, Any]:
    if unet.get("num_class_embeds") is None:
        return {"conditions": "none", "guidance": "none"}
    count = whole(folder, unet, "num_class_embeds", MAX_CLASSES)
    said = _said(folder)
    null = said.get("null_class")
    if null is not None and (type(null) is not int or not 0 <= null < count):
        raise BadCheckpoint(f"{folder.name} lists classes that it does not have.")
    names = class_names(folder, said.get("classes"), count)
    guidance = "none" if null is None else "cfg"
    return {"conditions": "class", "classes": names, "guidance": guidance}


def _options(
    folder: Path, unet: dict[str, Any], scheduler: dict[str, Any], channels: int
) -> dict[str, Any]:
    """The null class, the posterior's variance, and how far x̂0 may go."""
    variance = VARIANCES.get(str(scheduler.get("variance_type", "fixed_small")))
    learned = unet.get("out_channels") == 2 * channels
    if variance is None or learned != variance.startswith("learned"):
        raise BadCheckpoint(
            f"{folder.name} has a scheduler whose variance its network does not answer to."
        )
    clipped = scheduler.get("clip_sample", True)  # the library's own default
    limit = scheduler.get("clip_sample_range", 1.0) if clipped else 0.0
    if not isinstance(limit, int | float) or not 0.0 <= limit <= 1e6:
        raise BadCheckpoint(f"{folder.name} keeps pictures within {str(limit)[:20]}.")
    if scheduler.get("thresholding"):
        raise BadCheckpoint(f"{folder.name} wants a dynamic threshold, which is not offered here.")
    null = _said(folder).get("null_class")
    return {"variance": variance, "clip": float(limit), "null_class": null}


def _said(folder: Path) -> dict[str, Any]:
    file = folder / "studio.json"
    return read_json(file) if file.is_file() else {}
