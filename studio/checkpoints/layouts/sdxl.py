"""Stable Diffusion XL's layout: two text encoders, a pooled vector, sizes; and its refiner.

The refiner has the second encoder alone and is told how beautiful the picture is to be in place
of how large.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.checkpoints.allowed import ALLOWED, CLIP
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.reading import check_parts
from studio.checkpoints.layouts.sd import check_wanted, check_width, entry
from studio.errors import BadCheckpoint

BOTH = {
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "tokenizer_2": CLIP,
    "scheduler": ALLOWED["scheduler"],
}
FIRST = {"text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection"), "tokenizer": CLIP}
SCALE = 5.0  # of guidance, where a checkpoint suggests none
TOLD = {False: 6, True: 5}  # numbers beside the words: sizes and crop, or with a score in place


def describe(folder: Path) -> Entry:
    """A folder of StableDiffusionXLPipeline, or of the refiner's; raises BadCheckpoint."""
    index = check_parts(folder, BOTH)
    first = isinstance(index.get("text_encoder"), list) and any(index["text_encoder"])
    if first:
        check_parts(folder, FIRST)
    unet = read_json(folder / "unet" / "config.json")
    check_wanted(folder, unet, {"addition_embed_type": "text_time"})
    texts = [read_json(folder / part / "config.json") for part in _encoders(first)]
    hidden = [text.get("hidden_size") for text in texts]
    check_width(folder, unet, sum(hidden) if all(type(h) is int for h in hidden) else None)
    scored = index.get("requires_aesthetics_score") is True
    _check_told(folder, unet, texts[-1], scored)
    found = entry(folder, "sdxl", index, unet, SCALE)
    zeros = index.get("force_zeros_for_empty_prompt", True) is not False
    further = {"first": first, "scored": scored, "zeros": zeros}
    return replace(found, options=found.options | further)


def _encoders(first: bool) -> tuple[str, ...]:
    return ("text_encoder", "text_encoder_2") if first else ("text_encoder_2",)


def _check_told(folder: Path, unet: dict[str, Any], text: dict[str, Any], scored: bool) -> None:
    """Raise BadCheckpoint unless the UNet reads as many numbers as the pipeline gives it."""
    width: Any = unet.get("addition_time_embed_dim")
    wanted = unet.get("projection_class_embeddings_input_dim")
    pooled = text.get("projection_dim", 512)
    if not all(type(n) is int for n in (width, wanted, pooled)):
        raise BadCheckpoint(f"{folder.name} does not say how its UNet is told of sizes.")
    if wanted != TOLD[scored] * width + pooled:
        raise BadCheckpoint(
            f"{folder.name} has a UNet that is told {str(wanted)[:20]} numbers beside the words, "
            f"and its pipeline gives it {TOLD[scored] * width + pooled}."
        )
