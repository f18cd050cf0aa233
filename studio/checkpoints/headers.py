"""Safetensors files read by their headers alone: names, shapes, dtypes, sizes; never weights.

The format is eight bytes of header length (little endian), a JSON object, then the data; see
the safetensors specification. Everything in a header is checked before it is believed: bounds,
whole and contiguous data, names once.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.errors import BadCheckpoint

MAX_HEADER = 4 * 2**20  # bytes; the header of SDXL's single file has 0.4 MiB
MAX_TENSORS = 20_000  # in one file; SDXL's single file has 2,515
MAX_SIDES, MAX_NAME = 8, 400
WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
HALF_WRITTEN = (".incomplete", ".part", ".partial", ".crdownload", ".tmp", ".download", ".aria2")


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file holds: name → shape, name → dtype, and its size on disk.

    `spans` are the places of each tensor's bytes in the file.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    bytes: int
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    file: Path = Path()
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers the file holds."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def read(file: Path) -> Header:
    """The header of one file; raises BadCheckpoint with a sentence when it is not sound."""
    try:
        with _opened(file) as stream:
            size = os.fstat(stream.fileno()).st_size
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ValueError
            entries = json.loads(stream.read(length), object_pairs_hook=_once)
        metadata = entries.pop("__metadata__", {})
        if len(entries) > MAX_TENSORS or not _words(metadata):
            raise ValueError
        start = 8 + length
        shapes, dtypes, spans = {}, {}, {}
        for name, entry in entries.items():
            shapes[name], dtypes[name], (first, end) = _tensor(name, entry)
            spans[name] = (start + first, start + end)
        _check_whole(spans, start)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        sentence = f"{file.name} is not a sound safetensors file; fetch it again."
        raise BadCheckpoint(sentence) from None
    end = max((end for _, end in spans.values()), default=start)
    if end > size:
        raise BadCheckpoint(
            f"{file.name} is cut short: {size:,} of its {end:,} bytes are here; fetch it again."
        )
    if end < size:
        raise BadCheckpoint(f"{file.name} is not a sound safetensors file; fetch it again.")
    return Header(shapes, dtypes, size, spans, file, metadata)


def _opened(file: Path) -> Any:
    """The file for reading, if it is one: a pipe or a device would be waited for for ever."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise BadCheckpoint(f"{file.name} is not a file.")
        return file.open("rb")
    except OSError:
        raise BadCheckpoint(f"{file.name} cannot be read; check its files' permissions.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _words(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())


def _tensor(name: str, entry: Any) -> tuple[tuple[int, ...], str, tuple[int, int]]:
    """Shape, dtype and offsets of one entry, if they agree; raises ValueError and its kin."""
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    numbers = [*shape, start, end]
    if len(shape) > MAX_SIDES or not 0 < len(name) <= MAX_NAME:
        raise ValueError
    if not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
        raise ValueError
    if end - start != math.prod(shape) * WIDTHS[entry["dtype"]]:
        raise ValueError
    return tuple(shape), entry["dtype"], (start, end)


def _check_whole(spans: dict[str, tuple[int, int]], start: int) -> None:
    """The data without a hole and without a tensor on another's bytes, as the format demands."""
    for first, end in sorted(spans.values()):
        if first != start:
            raise ValueError
        start = end


def weights(folder: Path) -> tuple[Header, ...]:
    """The headers of a component's weights, one file or the shards that its index names.

    Where a folder holds several, the file without a variant in its name counts. Raises
    BadCheckpoint when there are none, when only pickled or half-written weights are there, or
    when an index names a file outside the folder.
    """
    indices = sorted(folder.glob("*.safetensors.index*.json"), key=_plain)
    singles = sorted(folder.glob("*.safetensors"), key=_plain)
    if indices:
        return _shards(folder, indices[0])
    if not singles:
        _explain_none(folder)
    return (read(singles[0]),)


def _plain(file: Path) -> tuple[int, str]:
    """Sorts `model.safetensors` before `model.fp16.safetensors`."""
    return file.name.count("."), file.name


def _shards(folder: Path, index: Path) -> tuple[Header, ...]:
    """The shards of an index, each tensor in the shard that the index says."""
    placed = _weight_map(index)
    for name in set(placed.values()):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise BadCheckpoint(f"{index.name} names a shard that is not in its folder.")
        if not (folder / name).is_file():
            _explain_half(folder, name)
            raise BadCheckpoint(f"{index.name} names a shard that is not in its folder.")
    found = tuple(read(folder / name) for name in sorted(set(placed.values())))
    for header in found:
        for tensor in header.shapes:
            if placed.get(tensor) != header.file.name:
                raise BadCheckpoint(f"{index.name} is not a sound shard index; fetch it again.")
    if len(placed) != sum(len(header.shapes) for header in found):
        raise BadCheckpoint(f"{index.name} is not a sound shard index; fetch it again.")
    return found


def _weight_map(index: Path) -> dict[str, str]:
    try:
        if index.stat().st_size > MAX_HEADER:
            raise ValueError
        found = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        if not found or not all(isinstance(name, str) for name in found.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadCheckpoint(f"{index.name} is not a sound shard index; fetch it again.") from None
    return found


def _explain_none(folder: Path) -> None:
    """Raise BadCheckpoint with what is there instead of safetensors."""
    check_whole_download(folder)
    pickled(folder, list(folder.iterdir()) if folder.is_dir() else [])
    raise BadCheckpoint(f"{folder.name} holds no safetensors file.")


def _explain_half(folder: Path, name: str) -> None:
    if any((folder / f"{name}{end}").exists() for end in HALF_WRITTEN):
        raise BadCheckpoint(f"{folder.name}/{name} is half written; finish its download.")


def check_whole_download(folder: Path) -> None:
    """Raise BadCheckpoint if the folder holds weights that were never wholly written."""
    for file in sorted(folder.glob("*")):
        if file.suffix in HALF_WRITTEN and "safetensors" in file.name:
            name = file.name.removesuffix(file.suffix)
            if not (folder / name).is_file():
                raise BadCheckpoint(f"{folder.name}/{name} is half written; finish its download.")


def pickled(folder: Path, files: Iterable[Path]) -> None:
    """Raise BadCheckpoint if any of the files is a pickle by its name."""
    for file in sorted(files):
        if file.suffix.lower() in PICKLED:
            raise BadCheckpoint(
                f"{folder.name}/{file.name} is pickled, and this studio opens safetensors only; "
                "convert it first."
            )
