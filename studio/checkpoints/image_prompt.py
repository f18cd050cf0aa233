"""Adapters that take a picture as a prompt (IP-Adapter, Ye et al. 2023), read off their headers.

A folder holds one as it is published: one safetensors file with `image_proj.…`, which makes tokens
of an embedding, and `ip_adapter.N.to_k_ip.weight` with its `to_v_ip`, a pair for each
cross-attention; beside it the encoder of pictures in `image_encoder/`. No weights and no torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from studio.checkpoints import bounds, headers
from studio.checkpoints.entry import read_json
from studio.checkpoints.headers import Header
from studio.errors import BadCheckpoint

CLASS = "IPAdapter"  # what the configuration that is made here calls itself
ENCODER = "image_encoder"
PLAIN, FULL, PLUS = "image_proj.proj.weight", "image_proj.proj.3.weight", "image_proj.latents"
PAIR = re.compile(r"ip_adapter\.(\d{1,4})\.to_([kv])_ip\.weight")
TOKENS = 4  # that a plain one makes of an embedding
HEAD = 64  # width of a resampler's heads, as all published ones have it
MAX_TOKENS, MAX_PAIRS = 1024, 512
SIDES = (16, 1024)  # pixels that an encoder may read; published ones have 224 to 448
MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's own pictures (Radford et al. 2021)
STD = (0.26862954, 0.26130258, 0.27577711)
OF_WIDTH = {768: ("sd",), 1024: ("sd",), 2048: ("sdxl",)}  # of the words that it stands beside


def is_one(path: Path) -> bool:
    """Whether a folder or file holds an image prompt adapter, as far as names tell."""
    if path.is_file():
        return path.suffix == ".safetensors" and _adapts(headers.read(path))
    if any((path / name).exists() for name in ("model_index.json", "config.json")):
        return False
    return (path / ENCODER).is_dir() or any(
        _adapts(headers.read(file)) for file in path.glob("*.safetensors")
    )


def _adapts(header: Header) -> bool:
    return any(PAIR.fullmatch(name) for name in header.shapes)


def config(folder: Path) -> dict[str, Any]:
    """What is known of an adapter before it loads; raises BadCheckpoint with a sentence.

    `reads` numbers of the encoder become `tokens` of `cross_attention_dim`; `widths` are those of
    the cross-attentions, in order. The encoder sees the middle `side` pixels of a picture whose
    shorter side is `edge`, less `mean` over `std`.
    """
    if folder.is_file():
        raise BadCheckpoint(
            f"{folder.name} prompts with pictures, and the encoder that it reads them with is not "
            f"beside it; put both in a folder, the encoder in {ENCODER}/."
        )
    header = _header(folder)
    shapes = header.shapes
    keys = _pairs(header, folder.name)
    kind, reads, tokens, wide = _projection(shapes, folder.name)
    if any(shape[1] != wide for shape in keys):
        raise _broken(folder.name)
    return {
        "_class_name": CLASS,
        "kind": kind,
        "file": header.file.name,
        "reads": reads,
        "tokens": tokens,
        "cross_attention_dim": wide,
        "widths": [shape[0] for shape in keys],
        **_encoder(folder, kind, reads),
    }


def families(config: dict[str, Any]) -> tuple[str, ...]:
    """The families that its width names; both where the width is neither's usual one."""
    return OF_WIDTH.get(config["cross_attention_dim"], ("sd", "sdxl"))


def differ(config: dict[str, Any], network: dict[str, Any]) -> list[str]:
    """What it and a UNet should have in common, and have not."""
    if network.get("cross_attention_dim") != config["cross_attention_dim"]:
        return ["cross_attention_dim"]
    try:
        return [] if attended(network) == config["widths"] else ["cross_attentions"]
    except (TypeError, IndexError):  # a configuration that makes no network
        return ["cross_attentions"]


def attended(network: dict[str, Any]) -> list[int]:
    """The width of each cross-attention of a UNet: down, up, and the middle last."""
    widths = network.get("block_out_channels", [320, 640, 1280, 1280])
    n = len(widths)
    layers = _each(network.get("layers_per_block", 2), n)
    depth = _each(network.get("transformer_layers_per_block", 1), n)
    rising = network.get("reverse_transformer_layers_per_block") or depth[::-1]
    down = network.get("down_block_types", [*["CrossAttn"] * 3, "Down"])
    up = network.get("up_block_types", down[::-1])
    found: list[int] = []
    for place, kind in enumerate(down):
        if "CrossAttn" in kind:
            found += [widths[place]] * sum(_each(depth[place], layers[place]))
    for place, kind in enumerate(up):
        if "CrossAttn" in kind:
            count = layers[n - 1 - place] + 1
            found += [widths[n - 1 - place]] * sum(_each(rising[place], count))
    if "CrossAttn" in str(network.get("mid_block_type", "UNetMidBlock2DCrossAttn")):
        found += [widths[-1]] * sum(_each(depth[-1], 1))
    return found


def _each(said: Any, count: int) -> list[Any]:
    """One for each, where one may stand for all."""
    return list(said) if isinstance(said, list | tuple) else [said] * count


def _header(folder: Path) -> Header:
    """The one file of an adapter's folder."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) > 1:
        raise BadCheckpoint(
            f"{folder.name} holds several files of weights; give each adapter its own folder."
        )
    header = headers.weights(folder)[0]
    if any("faceid" in name or "_lora." in name or "perceiver" in name for name in header.shapes):
        raise BadCheckpoint(
            f"{folder.name} reads faces through another network's eyes, which is not here; choose "
            "an adapter that reads pictures."
        )
    return header


def _pairs(header: Header, name: str) -> list[tuple[int, ...]]:
    """The shapes of the keys' weights in order; their numbers are odd, and values match keys."""
    found: dict[str, dict[int, tuple[int, ...]]] = {"k": {}, "v": {}}
    for stored, shape in header.shapes.items():
        if pair := PAIR.fullmatch(stored):
            found[pair[2]][int(pair[1])] = shape
    keys = found["k"]
    sound = 0 < len(keys) <= MAX_PAIRS and keys == found["v"]
    if not sound or sorted(keys) != [2 * k + 1 for k in range(len(keys))]:
        raise _broken(name)
    if any(len(shape) != 2 for shape in keys.values()):
        raise _broken(name)
    return [keys[number] for number in sorted(keys)]


def _projection(shapes: dict[str, tuple[int, ...]], name: str) -> tuple[str, int, int, int]:
    """Kind, how many numbers it reads, tokens that it makes and their width.

    The widths from which a resampler would be built are held against what the file has of it.
    """
    try:
        if PLAIN in shapes:
            out, reads = shapes[PLAIN]
            (wide,) = shapes["image_proj.norm.weight"]
            if out == TOKENS * wide:
                return "plain", reads, TOKENS, wide
        elif FULL in shapes:
            (wide,) = shapes[FULL]
            inner, reads = shapes["image_proj.proj.0.weight"]
            if inner == reads and shapes["image_proj.proj.2.weight"] == (wide, reads):
                return "full", reads, 0, wide
        elif PLUS in shapes:
            _, tokens, inner = shapes[PLUS]
            wide, _ = shapes["image_proj.proj_out.weight"]
            rows, reads = shapes["image_proj.proj_in.weight"]
            grown = shapes["image_proj.layers.0.1.1.weight"]
            queries, _ = shapes["image_proj.layers.0.0.to_q.weight"]
            whole = queries % HEAD == 0 and tokens <= MAX_TOKENS
            if whole and rows == inner and grown == (4 * inner, inner):
                return "plus", reads, tokens, wide
    except (KeyError, ValueError):  # another tensor is missing, or has another count of sides
        pass
    raise _broken(name)


def _broken(name: str) -> BadCheckpoint:
    return BadCheckpoint(
        f"{name} is no image prompt adapter that this studio knows: its tensors are other ones."
    )


def _encoder(folder: Path, kind: str, reads: int) -> dict[str, Any]:
    """What its encoder sees of a picture; raises BadCheckpoint if it is absent or another's."""
    within = folder / ENCODER
    if not (within / "config.json").is_file():
        raise BadCheckpoint(
            f"{folder.name} has no encoder of pictures; put the CLIPVisionModelWithProjection that "
            f"it was published with in {folder.name}/{ENCODER}/."
        )
    said = read_json(within / "config.json")
    bounds.check(said, f"{folder.name}/{ENCODER}")
    if said.get("model_type", "clip_vision_model") != "clip_vision_model":
        raise BadCheckpoint(
            f"{folder.name}/{ENCODER} is a {str(said['model_type'])[:40]}; this studio opens "
            "CLIPVisionModelWithProjection."
        )
    headers.weights(within)
    made = said.get("projection_dim", 512) if kind == "plain" else said.get("hidden_size", 768)
    if made != reads:
        raise BadCheckpoint(
            f"{folder.name} reads {reads} numbers of a picture, and its encoder makes "
            f"{str(made)[:20]}; put the encoder there that it was published with."
        )
    return _sight(folder, said.get("image_size", 224))


def _sight(folder: Path, side: Any) -> dict[str, Any]:
    """How a picture is cut and normalised: CLIP's own way, or as a file beside it says."""
    places = (folder, folder / "feature_extractor", folder / ENCODER)
    files = [place / "preprocessor_config.json" for place in places]
    said = next((read_json(file) for file in files if file.is_file()), {})
    edge, crop = said.get("size", side), said.get("crop_size", side)
    edge = edge.get("shortest_edge", side) if isinstance(edge, dict) else edge
    crop = crop.get("height", side) if isinstance(crop, dict) else crop
    mean, std = said.get("image_mean", MEAN), said.get("image_std", STD)
    whole = all(type(n) is int and SIDES[0] <= n <= SIDES[1] for n in (side, edge))
    if not whole or crop != side or edge < side or not (_three(mean) and _three(std, 1e-3)):
        raise BadCheckpoint(
            f"{folder.name} says no sizes or colours of pictures that its encoder could read."
        )
    return {"side": side, "edge": edge, "mean": list(mean), "std": list(std)}


def _three(numbers: Any, least: float = -10.0) -> bool:
    sound = isinstance(numbers, list | tuple) and len(numbers) == 3
    return sound and all(isinstance(n, int | float) and least <= n <= 10.0 for n in numbers)
