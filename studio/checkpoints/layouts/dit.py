"""DiT's layouts: DiTPipeline's folder, and the authors' own state dict beside a VAE's folder.

`studio.json` may say `time_embedding` ("official" or "diffusers": whose formulas the weights are
run with) and `guided_channels` (how many of a state's channels guidance acts on).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.allowed import ALLOWED
from studio.checkpoints.entry import Entry, read_json, words
from studio.checkpoints.headers import Header
from studio.checkpoints.layouts.reading import (
    MAX_CLASSES,
    check_parts,
    class_names,
    common,
    down,
    prediction,
    whole,
)
from studio.errors import BadCheckpoint

PARTS = {
    "transformer": ("DiTTransformer2DModel", "Transformer2DModel"),
    "vae": ("AutoencoderKL",),
    "scheduler": ALLOWED["scheduler"],
}
OFFICIAL = ("x_embedder.proj.weight", "blocks.0.adaLN_modulation.1.weight")
HEADS = {384: 6, 768: 12, 1024: 16, 1152: 16}  # of the paper's S, B, L and XL (table 1)
TIMES = ("official", "diffusers")


def describe(folder: Path) -> Entry:
    """A folder in DiTPipeline layout; raises BadCheckpoint."""
    index = check_parts(folder, PARTS)
    config = read_json(folder / "transformer" / "config.json")
    side, channels = whole(folder, config, "sample_size"), whole(folder, config, "in_channels")
    classes = whole(folder, config, "num_embeds_ada_norm", MAX_CLASSES)
    return Entry(
        **common(folder, ("transformer", "vae"), 4.0, 50, spacing="trailing"),
        **_shared(folder, side, channels, whole(folder, config, "patch_size", 64)),
        prediction=prediction(folder),
        classes=class_names(folder, index.get("id2label"), classes),
        options=_options(folder, "diffusers", 0),
    )


def official(folder: Path) -> Entry:
    """A folder with the authors' state dict as safetensors and a `vae/`; raises BadCheckpoint."""
    file = official_file(folder)
    if file is None or not (folder / "vae" / "config.json").is_file():
        raise BadCheckpoint(
            f"{folder.name} holds DiT's weights without an autoencoder; put the folder of one "
            "(stabilityai/sd-vae-ft-mse) beside them as vae."
        )
    config = configuration(folder, headers.read(file))
    said, vae = words(folder), headers.weights(folder / "vae")
    first = {"sampler": "ddpm", "steps": 250, "spacing": "linspace", "guidance": {"scale": 4.0}}
    said["defaults"] = first | said["defaults"]
    labels = read_json(folder / "studio.json") if (folder / "studio.json").is_file() else {}
    found = (headers.read(file), *vae)
    return Entry(
        **said,
        **_shared(folder, config["sample_size"], config["in_channels"], config["patch_size"]),
        parameters=sum(header.parameters for header in found),
        bytes=sum(header.bytes for header in found),
        prediction="epsilon",
        classes=class_names(folder, labels.get("classes"), config["num_embeds_ada_norm"]),
        options=_options(folder, "official", 3),
    )


def official_file(folder: Path) -> Path | None:
    """The file of the folder that holds a state dict as the authors name it, if any does."""
    for file in sorted(folder.glob("*.safetensors")):
        if all(name in headers.read(file).shapes for name in OFFICIAL):
            return file
    return None


def configuration(folder: Path, header: Header) -> dict[str, Any]:
    """What DiTTransformer2DModel must be built with for the authors' weights.

    The number of heads is in no shape: it is the paper's for its widths, else 64 wide each.
    """
    try:
        width, channels, patch, _ = header.shapes["x_embedder.proj.weight"]
        tokens = header.shapes["pos_embed"][1]
        rows = header.shapes["y_embedder.embedding_table.weight"][0]
        out = header.shapes["final_layer.linear.weight"][0]
        depth = 1 + max(int(n.split(".")[1]) for n in header.shapes if n.startswith("blocks."))
        grid = math.isqrt(tokens)
        heads = HEADS.get(width) or max(1, width // 64)
        if grid * grid != tokens or width % heads or out % patch**2 or rows < 2:
            raise ValueError
        if not (0 < grid * patch <= 4096 and 0 < depth <= 256 and rows <= MAX_CLASSES):
            raise ValueError
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        raise BadCheckpoint(
            f"{folder.name} holds weights that are named as DiT's and shaped as none of them."
        ) from None
    return {
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "in_channels": channels,
        "out_channels": out // patch**2,
        "num_layers": depth,
        "sample_size": grid * patch,
        "patch_size": patch,
        "num_embeds_ada_norm": rows - 1,
        "norm_eps": 1e-6,
    }


def _shared(folder: Path, side: int, channels: int, patch: int) -> dict[str, Any]:
    per = down(folder, channels)
    return {
        "family": "dit",
        "size": side * per,
        "latent": (channels, side, side),
        "conditions": "class",
        "square": True,  # its positions are unpatched as a square
        "multiple": patch * per,
    }


def _options(folder: Path, time: str, guided: int) -> dict[str, Any]:
    """`time_embedding` and `guided_channels`, by studio.json or as the layout's own."""
    file = folder / "studio.json"
    said = read_json(file) if file.is_file() else {}
    time, guided = said.get("time_embedding", time), said.get("guided_channels", guided)
    if time not in TIMES:
        raise BadCheckpoint(
            f"{folder.name} has a time embedding of neither official nor diffusers."
        )
    if type(guided) is not int or not 0 <= guided <= 64:
        raise BadCheckpoint(f"{folder.name} says {str(guided)[:20]!r} channels are guided.")
    return {"time_embedding": time, "guided_channels": guided}
