"""Stable Diffusion's layout: a UNet with cross-attention on text, a VAE, one text encoder.

Versions 1 and 2 in all their predictions, and networks of the same layout with a BERT. What a
pipeline holds beside them (a safety checker, a feature extractor) is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.allowed import ALLOWED
from studio.checkpoints.entry import Entry, read_json, words
from studio.checkpoints.layouts.reading import check_parts
from studio.checkpoints.layouts.scheduled import suggested
from studio.errors import BadCheckpoint

PARTS = {  # of the layout, and what they may be
    "unet": ("UNet2DConditionModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("BertModel", "CLIPTextModel"),
    "tokenizer": ALLOWED["tokenizer"],
    "scheduler": ALLOWED["scheduler"],
}
WANTED = {  # fields of a UNet's configuration, and the further input that each asks for
    "addition_embed_type": "more than a prompt",
    "class_embed_type": "a class",
    "num_class_embeds": "a class",
    "encoder_hid_dim_type": "an encoded picture or another encoder's text",
}
IGNORED = ("safety_checker", "feature_extractor", "image_encoder", "watermark")
SCALE = 7.5  # of guidance, where a checkpoint suggests none


def describe(folder: Path) -> Entry:
    """A folder in StableDiffusionPipeline layout, with an optional `preview/` AutoencoderTiny."""
    index = check_parts(folder, PARTS)
    second = index.get("text_encoder_2")
    if isinstance(second, list) and any(second):
        raise BadCheckpoint(
            f"{folder.name} has two text encoders, and its pipeline's class reads one (SD 1 or 2)."
        )
    unet = read_json(folder / "unet" / "config.json")
    text = read_json(folder / "text_encoder" / "config.json")
    check_wanted(folder, unet, {"addition_embed_type": "text"})
    check_width(folder, unet, text.get("hidden_size"))
    return entry(folder, "sd", index, unet, SCALE)


def check_wanted(folder: Path, unet: dict[str, Any], given: dict[str, Any]) -> None:
    """Raise BadCheckpoint for a UNet that wants more than a noisy state, text and what is `given`.

    A field may have its given value or none.
    """
    for part, what in WANTED.items():
        if unet.get(part) is not None and unet[part] != given.get(part):
            raise BadCheckpoint(
                f"{folder.name} has a UNet that wants {what}, which is not offered here."
            )


def check_width(folder: Path, unet: dict[str, Any], hidden: Any) -> None:
    """Raise BadCheckpoint unless the UNet reads prompts as wide as they are written."""
    said = unet.get("cross_attention_dim", 1280)
    widths = said if isinstance(said, list) and said else [said]  # one for all blocks, or each its
    wide = next((w for w in widths if w != hidden), hidden)
    if hidden is not None and wide != hidden:
        raise BadCheckpoint(
            f"{folder.name} has a UNet that reads prompts {str(wide)[:20]} numbers wide and a text "
            f"encoder that writes {str(hidden)[:20]}; they do not belong together."
        )


def entry(
    folder: Path, family: str, index: dict[str, Any], unet: dict[str, Any], scale: float
) -> Entry:
    """What every folder of a UNet and a VAE says of itself. Raises BadCheckpoint."""
    vae = read_json(folder / "vae" / "config.json")
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    texts = [part for part in ("text_encoder", "text_encoder_2") if (folder / part).is_dir()]
    found = [h for part in ("unet", "vae", *texts) for h in headers.weights(folder / part)]
    if (folder / "preview").is_dir():
        headers.weights(folder / "preview")
    channels, inpaints = _channels(folder, unet, vae)
    try:
        side, down = unet["sample_size"], 2 ** (len(vae["block_out_channels"]) - 1)
        side = side[0] if isinstance(side, list) and side[0] == side[-1] else side
        if not all(type(n) is int and 0 < n <= 4096 for n in (side, channels, down)):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        raise BadCheckpoint(f"{folder.name} does not say how large its states are.") from None
    said = words(folder)
    return Entry(
        **said | {"defaults": suggested(scheduler, scale) | said["defaults"]},
        family=family,
        size=side * down,
        latent=(channels, side, side),
        parameters=sum(h.parameters for h in found),
        bytes=sum(h.bytes for h in found),
        prediction=str(scheduler.get("prediction_type", "epsilon")),
        guidance="embedded" if unet.get("time_cond_proj_dim") else "cfg",
        options={
            "inpaints": inpaints,
            "ignored": [p for p in IGNORED if isinstance(index.get(p), list) and any(index[p])],
        },
    )


def _channels(folder: Path, unet: dict[str, Any], vae: dict[str, Any]) -> tuple[Any, bool]:
    """The state's channels, and whether the UNet reads a mask and a kept picture beside them."""
    states = vae.get("latent_channels", 4)
    wanted = unet.get("in_channels", states)
    inpaints = type(states) is int and wanted == 2 * states + 1
    if wanted != states and not inpaints:
        raise BadCheckpoint(
            f"{folder.name} has a UNet with {str(wanted)[:20]} input channels for states of "
            f"{str(states)[:20]}; editing networks are not offered here."
        )
    return (states if inpaints else unet.get("in_channels")), inpaints
