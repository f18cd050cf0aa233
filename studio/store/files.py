"""Pictures on disk: a PNG with its recipe in it and back again, and files that are never torn.

The recipe is one text chunk of the PNG (keyword "xt-studio", UTF-8). What stands in it is handed
on as text and believed by nobody: `Request.from_json` parses it, and no path ever comes from it.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from studio.errors import BadRecipe, StudioError

KEY = b"xt-studio"
RACE = b"xt-studio-race"  # the keyword of a whole race's recipe
MAX_FILE = 64 * 2**20  # bytes of a PNG that is searched
MAX_TEXT = 400_000  # bytes of a recipe, unpacked: as many as `from_json` accepts, in UTF-8
MAX_CHUNKS = 100_000

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DAMAGED = "This PNG file is damaged or cut short; its recipe cannot be read."


def png_with_recipe(png: bytes, recipe_json: str, key: bytes = KEY) -> bytes:
    """The same picture with the recipe in it, in place of any recipe it carried.

    Pixels are not touched: the chunk goes in behind the header. Raises BadRecipe when `png` is
    not a whole PNG or the recipe is too long to be read back.
    """
    text = recipe_json.encode("utf-8")
    if len(text) > MAX_TEXT:
        raise BadRecipe("The recipe is too long to be written into a picture.")
    parts = [_SIGNATURE]
    for kind, body, chunk in _chunks(png):
        if kind not in _TEXT or _keyword(body) != key:
            parts.append(chunk)
        if kind == b"IHDR":
            # iTXt: keyword, not compressed (flag, method), no language, no translated keyword
            parts.append(_chunk(b"iTXt", key + b"\0\0\0\0\0" + text))
    return b"".join(parts)


def read_recipe(source: str | Path | bytes, key: bytes = KEY) -> str | None:
    """The recipe's JSON text in a PNG given by path or content; None when it carries none.

    Bounded in file size, chunks and unpacked text. Raises BadRecipe when the file is not a PNG,
    is damaged, or carries a recipe that is not text or is there twice.
    """
    data = source if isinstance(source, bytes) else _read(Path(source))
    found = None
    for kind, body, chunk in _chunks(data):
        if kind in _TEXT and _keyword(body) == key:
            if found is not None:
                raise BadRecipe("This picture carries more than one recipe; none was read.")
            if zlib.crc32(kind + body) != int.from_bytes(chunk[-4:], "big"):
                raise BadRecipe(_DAMAGED)
            found = _TEXT[kind](body[len(key) + 1 :])
    return found


def write_atomic(path: str | Path, data: bytes) -> None:
    """Write the file whole or not at all: a temporary file beside it, fsync, rename.

    Raises StudioError when the folder or the disk does not allow it.
    """
    path = Path(path)
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise StudioError(
            f"{path.name} could not be written ({error.strerror}); choose another place."
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make the rename last through a power cut, where the system can do that for a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadRecipe("There is no such picture file; choose another.")
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except (OSError, ValueError):
        raise BadRecipe("This file cannot be read; choose another.") from None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """(type, body, whole chunk) from the header to IEND, as the PNG specification frames them."""
    if len(data) > MAX_FILE:
        raise BadRecipe(f"This file is larger than {MAX_FILE // 2**20} MB; it was not searched.")
    if not data.startswith(_SIGNATURE):
        raise BadRecipe("Recipes are kept in PNG files, and this is not one.")
    at = len(_SIGNATURE)
    for count in range(MAX_CHUNKS):
        if at + 12 > len(data):
            raise BadRecipe(_DAMAGED)
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data) or (kind == b"IHDR") != (count == 0):
            raise BadRecipe(_DAMAGED)
        yield kind, data[at + 8 : end - 4], data[at:end]
        if kind == b"IEND":
            return
        at = end
    raise BadRecipe(_DAMAGED)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _keyword(body: bytes) -> bytes:
    return body[:80].split(b"\0", 1)[0]  # at most 79 bytes and its end


def _plain(rest: bytes) -> str:
    return _text(rest, "latin-1")


def _packed(rest: bytes) -> str:
    return _text(_unpack(rest[:1], rest[1:]), "latin-1")


def _international(rest: bytes) -> str:
    flag, method, fields = rest[:1], rest[1:2], rest[2:].split(b"\0", 2)
    if len(fields) != 3 or flag not in (b"\0", b"\1"):
        raise BadRecipe(_DAMAGED)
    return _text(fields[2] if flag == b"\0" else _unpack(method, fields[2]), "utf-8")


def _unpack(method: bytes, data: bytes) -> bytes:
    """Inflate at most one byte more than a recipe may have, whatever the data would grow to."""
    if method != b"\0":
        raise BadRecipe(_DAMAGED)
    try:
        return zlib.decompressobj().decompress(data, MAX_TEXT + 1)
    except zlib.error:
        raise BadRecipe(_DAMAGED) from None


def _text(data: bytes, encoding: str) -> str:
    if len(data) > MAX_TEXT:
        raise BadRecipe("The recipe is longer than any this studio writes; it was not read.")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BadRecipe("The recipe in this picture is not text; it was not read.") from None


_TEXT = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
