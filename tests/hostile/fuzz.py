"""Seeded mutations of safetensors files and of configurations: each is read or refused in words.

`python tests/hostile/fuzz.py [COUNT]` tries that many, ten thousand where none is given, and
prints what came of them.
"""

from __future__ import annotations

import json
import math
import random
import resource
import shutil
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studio.checkpoints import headers
from studio.checkpoints.catalog import only, scan
from studio.errors import BadCheckpoint

NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e308, "", "x" * 1000, "\x00",
    "../..", "/etc/passwd", [], {}, [[]], [None], {"a": 1}, [10**9] * 5, ["DownBlock2D"] * 500,
]  # fmt: skip


def mutated(root: Path, files: int, folders: int, seed: int = 0) -> dict[str, float]:
    """Try so many; raises whatever else than BadCheckpoint comes of one."""
    from tests.engine.tiny import exact_folder, sd_folder

    rng = random.Random(seed)
    whole = root / "whole"
    sd_folder(whole)
    exact_folder(root / "exact")
    counts = {"files": 0, "folders": 0, "refused": 0, "slowest": 0.0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = (whole / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
    file = root / "spoilt.safetensors"
    for _ in range(files):
        file.write_bytes(_spoilt(data, rng))
        counts["files"] += 1
        _timed(counts, lambda: headers.read(file))
    for _ in range(folders):
        base = rng.choice((whole, whole, root / "exact"))
        folder = root / "case"
        shutil.copytree(base, folder)
        target = rng.choice(sorted(folder.rglob("*.json")))
        target.write_text(json.dumps(_changed(json.loads(target.read_text()), rng)))
        counts["folders"] += 1
        _timed(counts, lambda folder=folder: _refuse(folder))
        shutil.rmtree(folder)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts["grown_mb"] = (after - before) / 1024
    return counts


UNET, LORA = "model.diffusion_model.", "lora_unet_mid_block_attentions_0_proj_in"
STRANGERS: dict[str, dict[str, list[int]]] = {  # single files of each kind, small
    "ldm": {
        f"{UNET}input_blocks.0.0.weight": [8, 4, 3, 3],
        f"{UNET}input_blocks.1.0.in_layers.2.weight": [8, 8, 3, 3],
        f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [8, 16],
        f"{UNET}out.2.weight": [4, 8, 3, 3],
        "first_stage_model.encoder.conv_in.weight": [8, 3, 3, 3],
        "first_stage_model.decoder.conv_in.weight": [8, 4, 3, 3],
        "first_stage_model.encoder.down.0.block.0.conv1.weight": [8, 8, 3, 3],
    },
    "lora": {f"{LORA}.lora_down.weight": [2, 8], f"{LORA}.lora_up.weight": [8, 2]},
    "word": {"<mug>": [2, 16]},
    "vae": {
        "encoder.conv_in.weight": [8, 3, 3, 3],
        "decoder.conv_in.weight": [8, 4, 3, 3],
        "encoder.down.0.block.0.conv1.weight": [8, 8, 3, 3],
        "decoder.up.0.block.0.conv1.weight": [8, 8, 3, 3],
    },
}
CONTROL = {"_class_name": "ControlNetModel", "conditioning_channels": 3}
SAID = {"title": "Lines", "control": {"settings": {"low": 0.1}, "scale": 1.0, "guidance": 3.0}}


def scanned(root: Path, count: int, seed: int = 0) -> dict[str, int]:
    """Scan so many of each kind of stranger; none may take the sound one beside it away."""
    rng = random.Random(seed)
    (root / "sound.safetensors").write_bytes(_written(STRANGERS["lora"]))
    counts = {"offered": 0, "refused": 0}
    for kind in range(count * (len(STRANGERS) + 1)):
        which = [*STRANGERS, "control"][kind % (len(STRANGERS) + 1)]
        case = root / ("case" if which == "control" else "case.safetensors")
        if which == "control":
            case.mkdir()
            for name, value in (("config.json", CONTROL), ("studio.json", SAID)):
                (case / name).write_text(json.dumps(_changed(value, rng)))
            (case / "model.safetensors").write_bytes(_written({"w": [2]}))
        else:
            case.write_bytes(_written(_reshaped(STRANGERS[which], rng)))
        catalog = scan(root)
        assert "sound" in catalog.adapters
        said = catalog.refused.get("case")
        assert said is None or said.endswith(".")
        counts["refused" if said else "offered"] += 1
        shutil.rmtree(case) if case.is_dir() else case.unlink()
    return counts


def _written(shapes: dict[str, list[int]]) -> bytes:
    entries, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


def _reshaped(shapes: dict[str, list[int]], rng: random.Random) -> dict[str, list[int]]:
    """One tensor with fewer, more or other sides, or of another name, or left out."""
    name = rng.choice(sorted(shapes))
    rest = {key: shape for key, shape in shapes.items() if key != name}
    shape = shapes[name]
    other = rng.choice([None, [], [4], [0, 0], shape[:1], shape[::-1], [*shape, 1], [1] * 8])
    if other is None:
        return rest
    return rest | {rng.choice([name, name, f"{name}.x", name[:-1]]): other}


def _refuse(folder: Path) -> None:
    catalog = only(folder)
    if catalog.refused:
        raise BadCheckpoint(next(iter(catalog.refused.values())))


def _timed(counts: dict[str, float], read: Any) -> None:
    start = time.thread_time()
    try:
        read()
    except BadCheckpoint as error:
        counts["refused"] += 1
        assert str(error).endswith(".")
    counts["slowest"] = max(counts["slowest"], time.thread_time() - start)


def _spoilt(data: bytes, rng: random.Random) -> bytes:
    """A few bytes of the header changed, cut, doubled, or an entry of its JSON replaced."""
    (length,) = struct.unpack("<Q", data[:8])
    kind = rng.randrange(4)
    if kind == 0:
        out = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            out[rng.randrange(8 + length)] = rng.randrange(256)
        return bytes(out)
    if kind == 1:
        return data[: rng.randrange(len(data))]
    if kind == 2:
        at = rng.randrange(8 + length)
        return data[:at] + data[at : at + rng.randint(1, 64)] * 2 + data[at:]
    entries = json.loads(data[8 : 8 + length])
    name = rng.choice(sorted(entries))
    entries[name] = _changed(entries[name], rng)
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _changed(value: Any, rng: random.Random) -> Any:
    """A JSON value with one of its parts replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return value | {key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.5:
        at = rng.randrange(len(value))
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    return rng.choice(NASTY)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as place:
        print(json.dumps(mutated(Path(place), count - count // 5, count // 5)))
