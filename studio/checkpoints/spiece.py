"""SentencePiece's model file, read without its library: pieces, scores, the normaliser's table.

The file is a protocol buffer: fields of (number, wire type), the lengths in base 128. Of
ModelProto only `pieces` (1: piece, score) and `normalizer_spec` (3: precompiled_charsmap, 2) are
read; see sentencepiece_model.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.errors import BadCheckpoint

MAX_BYTES = 32 * 2**20  # mT5's has 4.3 MB
MAX_PIECES = 2**20
VARINT, EIGHT, LENGTH, FOUR = 0, 1, 2, 5  # wire types


def read(file: Path) -> tuple[list[tuple[str, float]], bytes]:
    """(pieces with their scores, the normaliser's table); raises BadCheckpoint."""
    pieces: list[tuple[str, float]] = []
    charsmap = b""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ValueError
        for number, value in fields(file.read_bytes()):
            if number == 1 and isinstance(value, bytes):
                inner: dict[int, Any] = dict(fields(value))
                score = inner.get(2, b"\0\0\0\0")
                pieces.append((inner[1].decode(), struct.unpack("<f", score)[0]))
            elif number == 3 and isinstance(value, bytes):
                found = dict(fields(value)).get(2, b"")
                charsmap = found if isinstance(found, bytes) else b""
        if not 3 <= len(pieces) <= MAX_PIECES:
            raise ValueError
    except (OSError, ValueError, KeyError, AttributeError, TypeError, IndexError, struct.error):
        raise BadCheckpoint(
            f"{file.parent.name}/{file.name} is not a sound vocabulary; fetch it again."
        ) from None
    return pieces, charsmap


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(number, value) of a message's fields in order: bytes, or the integer of a varint."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == LENGTH:
            size, at = _varint(data, at)
        else:
            size = {EIGHT: 8, FOUR: 4}[wire]
        if at + size > len(data):
            raise ValueError("a field reaches beyond its message")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at this place, and the place after it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number without end")
