"""What a checkpoint's modules are called and how their weights are shaped: off headers alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.checkpoints import headers, lora_bfl
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.ldm import UNET, Text
from studio.checkpoints.lora_keys import from_ldm

Shape = tuple[int, ...]
TEXTS = ("text_encoder", "text_encoder_2", "text_encoder_3")


@dataclass(frozen=True, slots=True)
class Modules:
    """(part, canonical module) → the shape of its weight; `layers` of resnets in a UNet's block."""

    shapes: dict[tuple[str, str], Shape]
    layers: int

    def names(self, part: str, module: str) -> tuple[str, ...]:
        """The canonical name for one that may be its authors', or lack an encoder's first part.

        Several for FLUX's authors' fused projections: what is changed lies one below the other.
        """
        if part == "unet":
            return (from_ldm(module, self.layers),)
        if part == "transformer":
            return lora_bfl.modules(module) or (module,)
        return (next((n for n in _texts(module) if (part, n) in self.shapes), module),)


def of_modules(base: Entry) -> Modules:
    """The modules with a weight of two or four sides; raises BadCheckpoint."""
    single = base.options.get("single")
    return _single(base, single) if single else _folder(base)


def hidden(base: Entry) -> dict[str, int]:
    """How many numbers a word has in each text encoder."""
    single = base.options.get("single")
    if single:
        texts: tuple[Text, ...] = single["texts"]
        parts = _parts(base, len(texts))
        return {part: t.config["hidden_size"] for part, t in zip(parts, texts, strict=True)}
    found = {}
    for part in TEXTS:
        file = base.folder / part / "config.json"
        if file.is_file():
            found[part] = read_json(file).get("hidden_size")
    return {part: width for part, width in found.items() if isinstance(width, int)}


def _folder(base: Entry) -> Modules:
    shapes: dict[tuple[str, str], Shape] = {}
    for part in ("unet", "transformer", *TEXTS):
        if (base.folder / part).is_dir():
            shapes |= {(part, n): s for n, s in _weights(base.folder / part).items()}
    unet = base.folder / "unet" / "config.json"
    layers = read_json(unet).get("layers_per_block", 2) if unet.is_file() else 2
    return Modules(shapes, layers if isinstance(layers, int) else 2)


def _weights(folder: Path) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for header in headers.weights(folder):
        found |= _named(header.shapes)
    return found


def _named(shapes: dict[str, Shape]) -> dict[str, Shape]:
    return {
        name.removesuffix(".weight").replace(".", "_"): shape
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) in (2, 4)
    }


def _single(base: Entry, said: dict[str, Any]) -> Modules:
    """Of one LDM file: its UNet's names turned into diffusers', its encoders' off their sizes."""
    layers = int(said["unet"]["layers_per_block"])
    stored = headers.read(base.folder).shapes
    ldm = _named({n.removeprefix(UNET): s for n, s in stored.items() if n.startswith(UNET)})
    shapes = {("unet", from_ldm(name, layers)): shape for name, shape in ldm.items()}
    texts: tuple[Text, ...] = said["texts"]
    for part, text in zip(_parts(base, len(texts)), texts, strict=True):
        width, inner = text.config["hidden_size"], text.config["intermediate_size"]
        for layer in range(text.config["num_hidden_layers"]):
            start = f"text_model_encoder_layers_{layer}_"
            for each in ("q_proj", "k_proj", "v_proj", "out_proj"):
                shapes[part, f"{start}self_attn_{each}"] = (width, width)
            shapes[part, f"{start}mlp_fc1"] = (inner, width)
            shapes[part, f"{start}mlp_fc2"] = (width, inner)
    return Modules(shapes, layers)


def _texts(module: str) -> list[str]:
    """A text module's name as it is, and with and without the library's own first part."""
    return [module, module.removeprefix("text_model_"), f"text_model_{module}"]


def _parts(base: Entry, count: int) -> tuple[str, ...]:
    """Which encoders a file has; XL's refiner has the second alone."""
    return TEXTS[:2][-count:] if base.family == "sdxl" else TEXTS[:count]
