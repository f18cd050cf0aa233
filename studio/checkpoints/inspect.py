"""What a folder holds, read off its JSON and its safetensors headers: no weights, no torch.

Everything that a later step relies on is checked here: known classes only, safetensors only, no
link out of the folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.allowed import ALLOWED, part_class
from studio.errors import BadCheckpoint

MAX_JSON = 4 * 2**20  # bytes
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint that could be loaded. `defaults` are fields of a request, not yet checked."""

    id: str
    folder: Path
    family: str
    title: str
    knows: str
    size: int  # pixels
    latent: tuple[int, int, int]  # C, H, W of the state
    parameters: int
    bytes: int
    licence: str
    prediction: str
    defaults: dict[str, Any] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    card: str = ""
    trained: bool = True
    preferred: bool = False  # the one to open with
    needs: tuple[str, ...] = ()  # ids of other checkpoints whose parts it uses when they are here


def inspect(folder: Path) -> Entry:
    """The entry of one checkpoint folder; raises BadCheckpoint with a sentence."""
    check_inside(folder)
    for marker, describe in MARKERS.items():
        if (folder / marker).is_file():
            return describe(folder)
    pickled = [f.name for f in folder.iterdir() if f.suffix in (".ckpt", ".pt", ".pth", ".bin")]
    if pickled:
        raise BadCheckpoint(
            f"{folder.name}/{pickled[0]} is pickled, and this studio opens safetensors only; "
            "convert it first."
        )
    raise BadCheckpoint(f"{folder.name} is not of a family that this studio knows.")


def check_inside(folder: Path) -> None:
    """Raise BadCheckpoint if anything below the folder is a link that leads out of it."""
    root = folder.resolve()
    for file in folder.rglob("*"):
        if file.is_symlink() and not file.resolve().is_relative_to(root):
            raise BadCheckpoint(f"{folder.name} holds a link that leads out of its folder.")


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint; raises BadCheckpoint."""
    try:
        if file.stat().st_size > MAX_JSON:
            raise ValueError
        data = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError
    except FileNotFoundError:
        raise BadCheckpoint(f"{file.parent.name} has no {file.name}.") from None
    except (ValueError, RecursionError, OSError):
        raise BadCheckpoint(f"{file.parent.name}/{file.name} is not a JSON object.") from None
    return data


def _stable_diffusion(folder: Path) -> Entry:
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
        **_words(folder),
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


def _exact(folder: Path) -> Entry:
    """A finite set of pictures and captions: no network."""
    exact = read_json(folder / "exact.json")
    size = exact.get("size", 128)
    if type(size) is not int or not 8 <= size <= 512:
        raise BadCheckpoint(f"{folder.name} does not say how large its pictures are.")
    encoder = exact.get("text_encoder")
    return Entry(
        **_words(folder),
        family="exact",
        size=size,
        latent=(3, size, size),
        parameters=0,
        bytes=sum(f.stat().st_size for f in folder.glob("*") if f.is_file()),
        prediction="sample",
        trained=False,
        needs=(encoder,) if isinstance(encoder, str) else (),
    )


def _words(folder: Path) -> dict[str, Any]:
    """What `studio.json` and the model card say: title, licence, defaults, examples, the card."""
    said = read_json(folder / "studio.json") if (folder / "studio.json").is_file() else {}
    card = ""
    if (folder / "README.md").is_file():
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:200_000]
    matter = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    licence = re.search(r"^license:\s*(\S+)", matter[1], re.MULTILINE) if matter else None
    defaults, examples = said.get("defaults", {}), said.get("examples", ())
    return {
        "id": folder.name,
        "folder": folder,
        "title": str(said.get("title", folder.name)),
        "knows": str(said.get("knows", "")),
        "licence": str(said.get("licence", licence[1] if licence else "not stated")),
        "defaults": dict(defaults) if isinstance(defaults, dict) else {},
        "examples": tuple(str(e) for e in examples) if isinstance(examples, list) else (),
        "card": card[matter.end() :].strip() if matter else card,
        "preferred": said.get("default") is True,
    }


MARKERS = {  # the file that tells a family, and what reads the rest
    "model_index.json": _stable_diffusion,
    "exact.json": _exact,
}
