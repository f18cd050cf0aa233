"""Stable Diffusion 3's and 3.5's layout: an MMDiT, a VAE, two CLIPs and an optional T5."""

from __future__ import annotations

from pathlib import Path

from studio.checkpoints.allowed import ALLOWED, CLIP, T5
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.reading import check_parts, common, down, prediction, whole
from studio.errors import BadCheckpoint

PARTS = {
    "transformer": ("SD3Transformer2DModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModelWithProjection",),
    "text_encoder_2": ("CLIPTextModelWithProjection",),
    "tokenizer": CLIP,
    "tokenizer_2": CLIP,
    "scheduler": ALLOWED["scheduler"],
}
OPTIONAL = {"text_encoder_3": ("T5EncoderModel",), "tokenizer_3": T5}
NETWORKS = ("transformer", "vae", "text_encoder", "text_encoder_2")


def describe(folder: Path) -> Entry:
    """The entry of a folder in StableDiffusion3Pipeline layout; raises BadCheckpoint.

    T5 counts where it is named and its folder is there: many go without its 4.7 billion weights.
    """
    index = read_json(folder / "model_index.json")
    third = index.get("text_encoder_3")
    t5 = isinstance(third, list) and any(third) and (folder / "text_encoder_3").is_dir()
    check_parts(folder, PARTS | (OPTIONAL if t5 else {}))
    config = read_json(folder / "transformer" / "config.json")
    side, channels = whole(folder, config, "sample_size"), whole(folder, config, "in_channels")
    per, patch = down(folder, channels), whole(folder, config, "patch_size", 64)
    widths = [_projection(folder, part) for part in ("text_encoder", "text_encoder_2")]
    if config.get("pooled_projection_dim") != sum(widths):
        raise BadCheckpoint(
            f"{folder.name} has a network that reads prompts "
            f"{str(config.get('pooled_projection_dim'))[:20]} numbers wide and a text encoder that "
            f"writes {sum(widths)}; they do not belong together."
        )
    return Entry(
        **common(folder, (*NETWORKS, "text_encoder_3") if t5 else NETWORKS, 7.0, 28),
        family="sd3",
        size=side * per,
        latent=(channels, side, side),
        prediction=prediction(folder),
        multiple=patch * per,
        options={
            "t5": t5,
            "context": whole(folder, config, "joint_attention_dim", 2**16),
            "most": whole(folder, config, "pos_embed_max_size") * patch * per,
        },
    )


def _projection(folder: Path, part: str) -> int:
    text = read_json(folder / part / "config.json")
    return whole(folder, {"projection_dim": 512} | text, "projection_dim", 2**16)
