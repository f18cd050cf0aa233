"""Stable Diffusion's layout: a UNet with cross-attention on text, a VAE, one text encoder."""

from __future__ import annotations

from pathlib import Path

from studio.checkpoints import headers
from studio.checkpoints.allowed import ALLOWED, part_class
from studio.checkpoints.entry import Entry, read_json, words
from studio.errors import BadCheckpoint

STABLE_DIFFUSION = {  # the parts of its layout, and what they may be
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
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")  # without one, every word is unknown


def describe(folder: Path) -> Entry:
    """A folder in StableDiffusionPipeline layout, with an optional `preview/` AutoencoderTiny."""
    index = read_json(folder / "model_index.json")
    for part, classes in STABLE_DIFFUSION.items():
        part_class(folder.name, part, index.get(part), classes)
    if not any((folder / "tokenizer" / name).is_file() for name in VOCABULARIES):
        raise BadCheckpoint(f"{folder.name} has a tokenizer without a vocabulary.")
    unet = read_json(folder / "unet" / "config.json")
    vae = read_json(folder / "vae" / "config.json")
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    _check_parts(folder, index, unet, vae)
    found = [h for part in ("unet", "vae", "text_encoder") for h in headers.weights(folder / part)]
    if (folder / "preview").is_dir():
        headers.weights(folder / "preview")
    try:
        side, channels = unet["sample_size"], unet["in_channels"]
        down = 2 ** (len(vae["block_out_channels"]) - 1)
        if not all(type(n) is int and 0 < n <= 4096 for n in (side, channels, down)):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadCheckpoint(f"{folder.name} does not say how large its states are.") from None
    return Entry(
        **words(folder),
        family="sd",
        size=side * down,
        latent=(channels, side, side),
        parameters=sum(h.parameters for h in found),
        bytes=sum(h.bytes for h in found),
        prediction=str(scheduler.get("prediction_type", "epsilon")),
    )


def _check_parts(folder: Path, index: dict, unet: dict, vae: dict) -> None:
    """Raise BadCheckpoint for a network that wants more than a noisy state and a prompt."""
    name, text = folder.name, read_json(folder / "text_encoder" / "config.json")
    second = index.get("text_encoder_2")
    if isinstance(second, list) and any(second):
        raise BadCheckpoint(f"{name} has two text encoders, and this studio reads one (SD 1 or 2).")
    for part, what in WANTED.items():
        if unet.get(part) is not None and (part, unet[part]) != ("addition_embed_type", "text"):
            raise BadCheckpoint(f"{name} has a UNet that wants {what}, which is not offered here.")
    states = vae.get("latent_channels", 4)
    if unet.get("in_channels", states) != states:
        raise BadCheckpoint(
            f"{name} has a UNet with {str(unet['in_channels'])[:20]} input channels for states of "
            f"{str(states)[:20]}; inpainting and editing networks are not offered here."
        )
    said, hidden = unet.get("cross_attention_dim", 1280), text.get("hidden_size")
    widths = said if isinstance(said, list) and said else [said]  # one for all blocks, or each its
    wide = next((w for w in widths if w != hidden), hidden)
    if hidden is not None and wide != hidden:
        raise BadCheckpoint(
            f"{name} has a UNet that reads prompts {str(wide)[:20]} numbers wide and a text "
            f"encoder that writes {str(hidden)[:20]}; they do not belong together."
        )
