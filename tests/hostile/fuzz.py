"""Seeded mutations of safetensors files and of configurations: each is read or refused in words.

`python tests/hostile/fuzz.py [COUNT]` tries that many, ten thousand where none is given, and
prints what came of them.
"""

from __future__ import annotations

import json
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
from studio.checkpoints.catalog import only
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
