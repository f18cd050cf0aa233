"""Pictures from strangers, opened safely; and pictures of ours, written.

PIL only. A file is believed by its content, never by its name; its size is read from its header
before anything is decoded. This module knows nothing of tensors, recipes or where files are kept.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from studio.errors import BadPicture

MAX_PIXELS = 4096 * 4096  # 16 megapixels
MAX_FILE = 64 * 2**20  # bytes; a sensible file of 16 megapixels is smaller
MAX_SCANS = 64  # of a progressive JPEG: each one is a pass over the whole picture

_NO_PICTURE = "This file is not a PNG, JPEG or WebP picture; choose one of those."
_TOO_MANY = "This picture has {count}; at most 16 megapixels are opened. Make it smaller."
_DAMAGED = "This {kind} file is damaged or cut short; save it again and retry."


def guard_process() -> None:
    """Let nothing in this process decode a picture of more than 16 megapixels, whoever opens it.

    Called once, by the program's entry: libraries that open uploads themselves go by PIL's own
    limit, which is process-wide.
    """
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def open_picture(source: str | Path | bytes) -> Image.Image:
    """The picture in a PNG, JPEG or WebP file, given by path or content, as an upright RGB image.

    The first frame of an animation; EXIF orientation applied, transparency composited on white,
    palettes, greys, CMYK and 16 bits converted. Raises BadPicture with a sentence.
    """
    data = source if isinstance(source, bytes) else _read(Path(source))
    if len(data) > MAX_FILE:
        raise BadPicture(f"This file is larger than {MAX_FILE // 2**20} MB; choose a smaller one.")
    kind = _kind(data)
    try:
        if kind == "WEBP":
            _check_size(*_webp_size(data))  # PIL's WebP reader takes its memory when it opens
        if kind == "PNG":
            _check_size(int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
        if kind == "JPEG" and data.count(b"\xff\xda") > MAX_SCANS:
            raise BadPicture(_DAMAGED.format(kind="JPEG"))
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            _check_size(*image.size)
            image.load()
            return _to_rgb(_upright(image))
    except BadPicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture(_TOO_MANY.format(count="more than 16 megapixels")) from None
    except Exception:  # a decoder fed with hostile bytes raises nearly anything
        name = "WebP" if kind == "WEBP" else kind
        raise BadPicture(_DAMAGED.format(kind=name)) from None


def to_png(image: Image.Image) -> bytes:
    """The image as PNG bytes, without metadata."""
    return _encode(image, "PNG", compress_level=6)


def to_jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """The image as JPEG bytes, without metadata; for previews."""
    return _encode(image, "JPEG", quality=quality)


def _read(path: Path) -> bytes:
    """The file's bytes, at most one more than we accept; only regular files are opened."""
    try:
        if not path.is_file():  # nor a pipe or a device: reading one might never end
            raise BadPicture("There is no such picture file; choose another.")
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except (OSError, ValueError):
        raise BadPicture("This file cannot be read; choose another.") from None


def _kind(data: bytes) -> str:
    """PIL's name of the format that the first bytes announce."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise BadPicture(_NO_PICTURE)


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from a WebP header (RFC 9649): lossy, lossless or extended."""
    head = data[12:16]
    if head == b"VP8X":
        return (
            1 + int.from_bytes(data[24:27], "little"),
            1 + int.from_bytes(data[27:30], "little"),
        )
    if head == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if head == b"VP8 ":
        return (
            int.from_bytes(data[26:28], "little") & 0x3FFF,
            int.from_bytes(data[28:30], "little") & 0x3FFF,
        )
    raise BadPicture(_DAMAGED.format(kind="WebP"))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        count = f"{width}×{height} pixels ({width * height / 1e6:.0f} megapixels)"
        raise BadPicture(_TOO_MANY.format(count=count))
    if width < 1 or height < 1:
        raise BadPicture("This picture has no pixels; choose another.")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF that does not parse is no reason to refuse the picture
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB, 8 bits, on white; the info of the file (EXIF, comments, profiles) is left behind."""
    if image.mode.startswith("I"):  # 16-bit grey; convert() would clip it to white
        image = image.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    elif image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        image = Image.new("RGBA", over.size, "white")
        image.alpha_composite(over)
    image = image.convert("RGB")
    image.info.clear()
    return image


def _encode(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    plain = image.convert("RGB")
    plain.info = {}
    plain.save(buffer, kind, **options)
    return buffer.getvalue()
