"""PixArt-α's and -Σ's layout: a DiT that attends to text, a VAE, one text encoder.

The encoder is T5's, or a BERT as the small models that come with the studio have it.
"""

from __future__ import annotations

from pathlib import Path

from studio.checkpoints.allowed import ALLOWED, BERT, T5, part_class
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.reading import check_parts, common, down, prediction, whole
from studio.errors import BadCheckpoint

PARTS = {
    "transformer": ("PixArtTransformer2DModel", "Transformer2DModel"),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("T5EncoderModel", "BertModel"),
    "tokenizer": (*T5, *BERT),
    "scheduler": ALLOWED["scheduler"],
}
ENCODERS = {"T5EncoderModel": ("t5", T5), "BertModel": ("bert", BERT)}  # and their tokenizers
TOKENS = {"PixArtAlphaPipeline": 120, "PixArtSigmaPipeline": 300}  # as they were trained


def describe(folder: Path) -> Entry:
    """The entry of a folder in one of PixArt's layouts; raises BadCheckpoint."""
    index = check_parts(folder, PARTS)
    encoder, tokenizers = ENCODERS[index["text_encoder"][1]]
    part_class(folder.name, "tokenizer", index["tokenizer"], tokenizers)
    config = read_json(folder / "transformer" / "config.json")
    side, channels = whole(folder, config, "sample_size"), whole(folder, config, "in_channels")
    text = read_json(folder / "text_encoder" / "config.json")
    per, patch = down(folder, channels), whole(folder, config, "patch_size", 64)
    width = text.get("d_model" if encoder == "t5" else "hidden_size")
    if config.get("caption_channels") != width:
        raise BadCheckpoint(
            f"{folder.name} has a network that reads prompts "
            f"{str(config.get('caption_channels'))[:20]} numbers wide and a text encoder that "
            f"writes {str(width)[:20]}; they do not belong together."
        )
    return Entry(
        **common(folder, ("transformer", "vae", "text_encoder"), 4.5, 20),
        family="pixart",
        size=side * per,
        latent=(channels, side, side),
        prediction=prediction(folder),
        multiple=patch * per,
        options={"tokens": TOKENS[index["_class_name"]], "encoder": encoder},
    )
