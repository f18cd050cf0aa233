"""PixArt-α's and -Σ's layout: a DiT that attends to T5's text, a VAE, one text encoder."""

from __future__ import annotations

from pathlib import Path

from studio.checkpoints.allowed import ALLOWED, T5
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.reading import check_parts, common, down, prediction, whole
from studio.errors import BadCheckpoint

PARTS = {
    "transformer": ("PixArtTransformer2DModel", "Transformer2DModel"),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("T5EncoderModel",),
    "tokenizer": T5,
    "scheduler": ALLOWED["scheduler"],
}
TOKENS = {"PixArtAlphaPipeline": 120, "PixArtSigmaPipeline": 300}  # as they were trained


def describe(folder: Path) -> Entry:
    """The entry of a folder in one of PixArt's layouts; raises BadCheckpoint."""
    index = check_parts(folder, PARTS)
    config = read_json(folder / "transformer" / "config.json")
    side, channels = whole(folder, config, "sample_size"), whole(folder, config, "in_channels")
    text = read_json(folder / "text_encoder" / "config.json")
    per, patch = down(folder, channels), whole(folder, config, "patch_size", 64)
    if config.get("caption_channels") != text.get("d_model"):
        raise BadCheckpoint(
            f"{folder.name} has a network that reads prompts "
            f"{str(config.get('caption_channels'))[:20]} numbers wide and a text encoder that "
            f"writes {str(text.get('d_model'))[:20]}; they do not belong together."
        )
    return Entry(
        **common(folder, ("transformer", "vae", "text_encoder"), 4.5, 20),
        family="pixart",
        size=side * per,
        latent=(channels, side, side),
        prediction=prediction(folder),
        multiple=patch * per,
        options={"tokens": TOKENS[index["_class_name"]]},
    )
