"""Bounds on what a network's configuration may ask for, held before any network is built from it.

A configuration comes from strangers. Building a network costs time for each layer, even where
no memory is taken for its weights, so counts are bounded; widths are compared with the file.
"""

from __future__ import annotations

import re
from typing import Any

from studio.errors import BadCheckpoint

COUNTS = re.compile(r"layers|blocks|depth|num_res|repeats")  # how often something is built
MAX_COUNT = 256  # T5-XXL has 24 layers, FLUX 19 and 38 blocks
MAX_NUMBER = 2**20  # the largest vocabulary has 2**18 words
MAX_LIST = 128  # but for a schedule's own table
MAX_TABLE = 20_000
MAX_DEPTH = 8
MAX_GRID = 512  # positions a side of a table of position embeddings; SD3.5 has 384
FREE = {"model_max_length", "torch_dtype", "dtype", "_name_or_path", "transformers_version"}


def check(config: dict[str, Any], name: str) -> None:
    """Raise BadCheckpoint where a number is beyond what any real checkpoint says."""
    for key, value in config.items():
        if key not in FREE:
            _check(value, key, name, MAX_DEPTH)
    side, patch = config.get("sample_size"), config.get("patch_size") or 1
    table = config.get("pos_embed_max_size") or 0
    if isinstance(side, int) and isinstance(patch, int) and patch > 0 and "patch_size" in config:
        table = max(table if isinstance(table, int) else 0, side // patch)
    if table > MAX_GRID:
        _refuse(name, "sample_size", table)


def _check(value: Any, key: str, name: str, depth: int) -> None:
    if depth < 0:
        _refuse(name, key, "nested without end")
    if isinstance(value, dict):
        if len(value) > MAX_TABLE:
            _refuse(name, key, f"{len(value)} entries")
        for inner, held in value.items():
            _check(held, str(inner), name, depth - 1)
    elif isinstance(value, list):
        if len(value) > (MAX_TABLE if key == "trained_betas" else MAX_LIST):
            _refuse(name, key, f"{len(value)} entries")
        for held in value:
            _check(held, key, name, depth - 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        most = MAX_COUNT if COUNTS.search(key) else MAX_NUMBER
        whole = isinstance(value, int)
        if (whole and abs(value) > most) or (not whole and not abs(value) <= 1e30):
            _refuse(name, key, value)
        if whole and value < 0 and COUNTS.search(key):
            _refuse(name, key, value)


def _refuse(name: str, key: str, value: object) -> None:
    raise BadCheckpoint(
        f"{name}: its configuration says {key[:60]} = {str(value)[:40]}, which no checkpoint needs."
    )
