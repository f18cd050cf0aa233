"""FLUX's layout: a transformer on packed states, a VAE, CLIP's pooled text and T5's context."""

from __future__ import annotations

from pathlib import Path

from studio.checkpoints.allowed import ALLOWED, CLIP, T5
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.reading import check_parts, common, down, prediction, whole
from studio.errors import BadCheckpoint

PARTS = {
    "transformer": ("FluxTransformer2DModel",),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel",),
    "text_encoder_2": ("T5EncoderModel",),
    "tokenizer": CLIP,
    "tokenizer_2": T5,
    "scheduler": ALLOWED["scheduler"],
}
NETWORKS = ("transformer", "vae", "text_encoder", "text_encoder_2")
SIDE = 1024  # pixels; the configuration names no size of its own
PACKED = 4  # positions of the state in one token


def describe(folder: Path) -> Entry:
    """The entry of a folder in FluxPipeline layout; raises BadCheckpoint.

    `studio.json` may say the `size` that it was trained at.
    """
    check_parts(folder, PARTS)
    config = read_json(folder / "transformer" / "config.json")
    packed = whole(folder, config, "in_channels")
    if packed % PACKED or config.get("patch_size", 1) != 1:
        raise BadCheckpoint(f"{folder.name} does not say how large its states are.")
    said = read_json(folder / "studio.json") if (folder / "studio.json").is_file() else {}
    per = down(folder, packed // PACKED)
    size = whole(folder, {"size": SIDE} | said, "size")
    if size % (2 * per):
        raise BadCheckpoint(f"{folder.name} does not say how large its pictures are.")
    guided = config.get("guidance_embeds") is True
    return Entry(
        **common(folder, NETWORKS, *((3.5, 28) if guided else (1.0, 4)), spacing="trailing"),
        family="flux",
        size=size,
        latent=(packed // PACKED, size // per, size // per),
        prediction=prediction(folder),
        multiple=2 * per,
        guidance="embedded" if guided else "cfg",
        options={"guided": guided, "tokens": 512 if guided else 256},
    )
