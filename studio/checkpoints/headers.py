"""Safetensors files read by their headers alone: names, shapes, dtypes, sizes; never weights.

The format is eight bytes of header length (little endian), a JSON object, then the data; see
the safetensors specification. Everything in a header is checked before it is believed.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from studio.errors import BadCheckpoint

MAX_HEADER = 16 * 2**20  # bytes; the header of SDXL's UNet has 0.2 MiB
WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file holds: name → shape, name → dtype, and its size on disk."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    bytes: int

    @property
    def parameters(self) -> int:
        """How many numbers the file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def read(file: Path) -> Header:
    """The header of one file; raises BadCheckpoint with a sentence when it is not sound."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ValueError
            entries = json.loads(stream.read(length))
        entries.pop("__metadata__", None)
        shapes, dtypes = {}, {}
        for name, entry in entries.items():
            shape, (start, end) = entry["shape"], entry["data_offsets"]
            if not all(type(side) is int and side >= 0 for side in shape):
                raise ValueError
            wanted = math.prod(shape) * WIDTHS[entry["dtype"]]
            if not 0 <= start <= end <= size - 8 - length or end - start != wanted:
                raise ValueError
            shapes[name], dtypes[name] = tuple(shape), entry["dtype"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        sentence = f"{file.name} is not a sound safetensors file; fetch it again."
        raise BadCheckpoint(sentence) from None
    return Header(shapes, dtypes, size)


def weights(folder: Path) -> tuple[Header, ...]:
    """The headers of a component's weights, one file or the shards that its index names.

    Raises BadCheckpoint when there are none, when only pickled weights are there, or when an
    index names a file outside the folder.
    """
    singles = sorted(folder.glob("*.safetensors"))
    indices = sorted(folder.glob("*.safetensors.index.json"))
    if indices:
        names = sorted(set(_weight_map(indices[0]).values()))
        for name in names:
            if Path(name).name != name or not (folder / name).is_file():
                raise BadCheckpoint(f"{indices[0].name} names a shard that is not in its folder.")
        singles = [folder / name for name in names]
    if not singles:
        others = [f.name for f in folder.glob("*") if f.suffix in (".bin", ".ckpt", ".pt", ".pth")]
        if others:
            raise BadCheckpoint(
                f"{folder.name}/{others[0]} is pickled, and this studio opens safetensors only; "
                "convert it first."
            )
        raise BadCheckpoint(f"{folder.name} holds no safetensors file.")
    return tuple(read(file) for file in singles)


def _weight_map(index: Path) -> dict[str, str]:
    try:
        found = json.loads(index.read_text())["weight_map"]
        if not all(isinstance(name, str) for name in found.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadCheckpoint(f"{index.name} is not a sound shard index; fetch it again.") from None
    return found
