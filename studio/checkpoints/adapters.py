"""Adapters and spare autoencoders: what a file or a folder says of one, and whether it fits.

Read off headers and JSON alone, without torch: which kind it is, what it would change, and every
shape compared with the checkpoint's before anything is loaded.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.adapting import Kind
from studio.checkpoints import bounds, headers, lora_keys
from studio.checkpoints.entry import Entry, check_inside, read_json, words
from studio.checkpoints.headers import Header
from studio.checkpoints.layouts import ldm
from studio.checkpoints.lora_keys import ALPHA, DOWN, UP
from studio.checkpoints.shapes import TEXTS, hidden, of_modules
from studio.errors import BadCheckpoint, BadRequest

Shape = tuple[int, ...]
FILES = (  # as the tools name them in a folder of their own
    "pytorch_lora_weights.safetensors",
    "adapter_model.safetensors",
    "learned_embeds.safetensors",
)
AUTOENCODERS: dict[str, Kind] = {"AutoencoderKL": "vae", "AutoencoderTiny": "tiny"}
SLOTS = {"clip_l": "text_encoder", "clip_g": "text_encoder_2"}  # XL's inversions name encoders
LDM_VAE = ("decoder.up.0.block.0.conv1.weight",)  # tells an autoencoder alone in one file
PARTS = ("unet", "transformer", *TEXTS)  # that low-rank adapters change
MAX_VECTORS = 75  # of one word: as many as CLIP reads
WIDTHS = (256, 4096)  # of a nameless inversion's vectors; CLIP's words have 768 to 1280
TOKEN = re.compile(r"<[\w.-]{1,60}>|[\w.-]{1,60}")  # a word that may stand for an inversion
MAX_RANK = 1024
MAX_BLOCKS, MAX_CHANNELS = 8, 256  # of an autoencoder; published ones have 4, and 4 to 128
FAMILIES = ("sd", "sdxl", "sd3", "flux", "pixart")  # that take low-rank adapters
LEARNED = ("sd", "sdxl")  # that take textual inversions


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """An adapter that could be loaded.

    `file` holds the weights, or is the folder of an autoencoder. `modules` are, of a low-rank one,
    (part, canonical module) → the stored names of its tensors by role; of a textual inversion
    `vectors` are the stored names by part, "" where any encoder of that width takes it.
    """

    id: str
    file: Path
    kind: Kind
    title: str
    parameters: int
    bytes: int
    licence: str
    trigger: str = ""
    rank: int = 0
    header: Header | None = None
    modules: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    vectors: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    alphas: dict[str, float] = field(default_factory=dict)  # peft's: by part, for all its modules

    @property
    def targets(self) -> tuple[str, ...]:
        """The parts of a checkpoint that it changes."""
        if self.kind in ("vae", "tiny"):
            return ("vae",)
        parts = {part for part, _ in self.modules} | set(self.vectors)
        return tuple(sorted(part or "text_encoder" for part in parts))


def describe(path: Path) -> AdapterEntry | None:
    """The entry of a file or folder, None where it holds something else; or BadCheckpoint."""
    if path.is_dir():
        return _folder(path)
    if path.suffix != ".safetensors":
        return None
    return _file(path, path.stem, headers.read(path), {})


def _folder(folder: Path) -> AdapterEntry | None:
    if (folder / "model_index.json").is_file():
        return None
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is not None:
        check_inside(folder)
        beside = folder / "adapter_config.json"
        told = read_json(beside) if beside.is_file() else {}
        made = _file(file, folder.name, headers.read(file), told)
        if made is None:
            raise BadCheckpoint(f"{folder.name}/{file.name} is no adapter that this studio knows.")
        return made
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    kind = AUTOENCODERS.get(str(config.get("_class_name")))
    if kind is None:
        return None
    check_inside(folder)
    _check_bounds(config, folder.name)
    found, said = headers.weights(folder), words(folder)
    return AdapterEntry(
        id=folder.name,
        file=folder,
        kind=kind,
        title=said["title"],
        parameters=sum(h.parameters for h in found),
        bytes=sum(h.bytes for h in found),
        licence=said["licence"],
        config=config,
    )


def _file(file: Path, id: str, header: Header, told: dict[str, Any]) -> AdapterEntry | None:
    """The adapter in a file; `told` is what peft's own configuration beside it says."""
    names = list(header.shapes)
    spec = {k.removeprefix("modelspec."): v for k, v in header.metadata.items()}
    said: dict[str, Any] = {
        "id": id,
        "file": file,
        "title": (spec.get("title") or spec.get("ss_output_name") or id)[:200],
        "parameters": header.parameters,
        "bytes": header.bytes,
        "licence": (spec.get("license") or "not stated")[:200],
        "header": header,
    }
    kind = lora_keys.other_kind(names)
    if kind and any(n.startswith((*lora_keys.KOHYA, *lora_keys.DOTTED)) for n in names):
        raise BadCheckpoint(
            f"{file.name} is an adapter of the kind {kind}, which this studio does not apply; it "
            "takes LoRA."
        )
    if ldm.MARK in names:
        return None
    keys = {name: lora_keys.parse(name) for name in names}
    if any(keys.values()):
        modules = _modules(file.name, header, keys)
        rank = max(header.shapes[roles[DOWN]][0] for roles in modules.values())
        alphas = _alphas(file, header, told)
        return AdapterEntry(**said, kind="lora", modules=modules, rank=rank, alphas=alphas)
    vectors = _vectors(header)
    if vectors:
        named = (n for n in names if n.startswith("<") and TOKEN.fullmatch(n))
        trigger = next(named, id[:60])
        if not TOKEN.fullmatch(trigger):
            raise BadCheckpoint(f"{file.name} is not of a family that this studio knows.")
        return AdapterEntry(**said, kind="embedding", trigger=trigger, vectors=vectors)
    if any(ldm.VAE + name in names or name in names for name in LDM_VAE):
        bare = {
            ldm.VAE + name.removeprefix(ldm.VAE): shape for name, shape in header.shapes.items()
        }
        config = ldm.vae(file.name, bare, 0.0)
        _check_bounds(config, file.name)
        return AdapterEntry(**said, kind="vae", config=config)
    return _tiny(file, said, header)


def _check_bounds(config: dict[str, Any], name: str) -> None:
    """Raise BadCheckpoint for an autoencoder's configuration that no real one has."""
    bounds.check(config, name)
    blocks, channels = config.get("block_out_channels", [64]), config.get("latent_channels", 4)
    wrong = ""
    if not isinstance(blocks, list) or not 0 < len(blocks) <= MAX_BLOCKS:
        wrong = "block_out_channels"
    elif type(channels) is not int or not 0 < channels <= MAX_CHANNELS:
        wrong = "latent_channels"
    if wrong:
        raise BadCheckpoint(
            f"{name}: its configuration says {wrong} = {str(config[wrong])[:40]}, which no "
            "checkpoint needs."
        )


def _modules(
    name: str, header: Header, keys: dict[str, lora_keys.Key | None]
) -> dict[tuple[str, str], dict[str, str]]:
    """Stored names by module and role; raises BadCheckpoint for halves and misfits."""
    modules: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    denoiser = "unet"  # a file has one, and its blocks tell which it is
    if any(key and key.part == "transformer" for key in keys.values()):
        denoiser = "transformer"
    for stored, key in keys.items():
        if key is None:
            raise BadCheckpoint(f"{name} holds {stored[:80]}, which is no part of a LoRA.")
        part = denoiser if key.part == "unet" else key.part
        modules[part, key.module][key.role] = stored
    for (_, module), roles in modules.items():
        if DOWN not in roles or UP not in roles:
            raise BadCheckpoint(f"{name} is incomplete: of {module[:80]} one half is missing.")
        down, up = header.shapes[roles[DOWN]], header.shapes[roles[UP]]
        sound = len(down) == len(up) and len(down) in (2, 4) and down[0] == up[1]
        if not sound or not 0 < down[0] <= MAX_RANK or up[2:] not in ((), (1, 1)):
            raise BadCheckpoint(f"{name} has halves of {module[:80]} that do not fit each other.")
        if ALPHA in roles and header.shapes[roles[ALPHA]] not in ((), (1,)):
            raise BadCheckpoint(f"{name} has an alpha of {module[:80]} that is no number.")
    return dict(modules)


def _alphas(file: Path, header: Header, peft: dict[str, Any]) -> dict[str, float]:
    """α by part where no tensor holds it: diffusers' metadata, or peft's `adapter_config.json`."""
    said = {f"{part}.{k}": v for part in ("unet", "transformer") for k, v in peft.items()}
    if "lora_adapter_metadata" in header.metadata:
        try:
            told = json.loads(header.metadata["lora_adapter_metadata"])
        except (ValueError, RecursionError):
            told = None
        said |= told if isinstance(told, dict) else {}
    patterns = ("alpha_pattern", "use_rslora", "use_dora", "lora_bias")
    for key, value in said.items():
        if key.endswith(patterns) and value:
            kind = key.rpartition(".")[2]
            raise BadCheckpoint(f"{file.name} is a LoRA with {kind}, which is not applied here.")
    found = {part: said.get(f"{part}.lora_alpha") for part in PARTS}
    bounds.check({f"{part}.lora_alpha": a for part, a in found.items()}, file.name)
    return {part: float(a) for part, a in found.items() if isinstance(a, int | float)}


def _vectors(header: Header) -> dict[str, str]:
    """Stored names of a textual inversion by the part that they are for; none for other files."""
    shapes = {n: s if len(s) == 2 else (1, *s) for n, s in header.shapes.items()}
    flat = all(len(s) == 2 and 0 < s[0] <= MAX_VECTORS for s in shapes.values())
    if not flat:
        return {}
    if set(shapes) <= set(SLOTS):
        return {SLOTS[name]: name for name in shapes}
    if len(shapes) == 1:
        ((name, shape),) = header.shapes.items()
        plausible = len(shape) == 2 and "." not in name and WIDTHS[0] <= shape[1] <= WIDTHS[1]
        return {"": name} if name == "emb_params" or name[0] == "<" or plausible else {}
    return {}


def _tiny(file: Path, said: dict[str, Any], header: Header) -> AdapterEntry | None:
    """An AutoencoderTiny or its decoder alone in one file, under diffusers' or TAESD's names."""
    shapes = header.shapes
    first = shapes.get("decoder.layers.0.weight") or shapes.get("1.weight")
    block = "decoder.layers.2.conv.0.weight" in shapes or "3.conv.0.weight" in shapes
    if not block or first is None or len(first) != 4:
        return None
    return AdapterEntry(**said, kind="tiny", config={"latent_channels": first[1]})


def check_fit(adapter: AdapterEntry, base: Entry) -> None:
    """Raise BadRequest, before anything loads, for an adapter that is not for this checkpoint."""
    if adapter.kind in ("vae", "tiny"):
        return _check_autoencoder(adapter, base)
    if base.family not in FAMILIES:
        raise BadRequest(
            f"{base.title} takes no adapters here; those are for Stable Diffusion, XL and 3, "
            "FLUX and PixArt."
        )
    if adapter.kind == "embedding" and base.family not in LEARNED:
        raise BadRequest(
            f"{base.title} takes no textual inversions here; those are for Stable Diffusion and XL."
        )
    if adapter.kind == "embedding":
        return _check_vectors(adapter, base)
    assert adapter.header is not None
    mine = of_modules(base)
    for (part, module), roles in adapter.modules.items():
        wanted = [mine.shapes.get((part, name)) for name in mine.names(part, module)]
        down, up = (adapter.header.shapes[roles[role]] for role in (DOWN, UP))
        if None in wanted:
            raise BadRequest(
                f"The adapter {adapter.title} was made for another network than {base.title}: it "
                f"changes {part}.{module[:80]}, which is not there. Choose one for this checkpoint."
            )
        if not _fits(down, up, [shape for shape in wanted if shape]):
            raise BadRequest(
                f"The adapter {adapter.title} was made for another network than {base.title}: "
                f"{part}.{module[:80]} has other sides there. Choose one for this checkpoint."
            )


def _fits(down: Shape, up: Shape, wanted: list[Shape]) -> bool:
    """(r, in[, k, k]) and (out, r[, 1, 1]) for a weight (out, in[, k, k]); 1×1 may be left out.

    Of several weights the outs are added.
    """
    sides = down[2:] or (1, 1)
    beneath = all(w[1] == down[1] and (w[2:] or (1, 1)) == sides for w in wanted)
    return beneath and up[0] == sum(w[0] for w in wanted)


def _check_vectors(adapter: AdapterEntry, base: Entry) -> None:
    assert adapter.header is not None
    widths = hidden(base)
    for part, stored in adapter.vectors.items():
        width = adapter.header.shapes[stored][-1]
        theirs = widths.get(part) if part else next(iter(widths.values()), None)
        if theirs != width:
            raise BadRequest(
                f"The textual inversion {adapter.title} has vectors of {width} numbers, and the "
                f"words of {base.title} have {theirs or 'none'}; choose one for this checkpoint."
            )


def _check_autoencoder(adapter: AdapterEntry, base: Entry) -> None:
    channels, down = base.latent[0], base.size // base.latent[1]
    if down == 1:
        raise BadRequest(f"{base.title} works on pixels and takes no autoencoder.")
    theirs = adapter.config.get("latent_channels", 4)
    blocks = adapter.config.get("block_out_channels", [0] * 4)
    counted = adapter.kind == "vae" and isinstance(blocks, list | tuple)
    factor = 2 ** (len(blocks) - 1) if counted else down
    if theirs != channels or factor != down:
        raise BadRequest(
            f"The autoencoder {adapter.title} has states of {theirs} channels at 1/{factor} of the "
            f"size, and {base.title} has {channels} at 1/{down}; choose another."
        )
