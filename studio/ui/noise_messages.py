"""From the lab's answers to what the Noise tab's script draws.

States travel as 16-bit integers with a scale, a 2^-15th of their largest value apart; the script
makes every x_t of them by itself. Pictures travel as data, never as files.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from studio.imaging.pictures import open_picture, to_jpeg, to_png
from studio.noising import Decoded, Density, Guess, Inverted, Inverting, Process, Strip, Walked
from studio.ui import stream, theme

PICTURES = theme.ASSETS / "pictures"
THUMB = 72
KEPT = 512  # pixels, at most, of an uploaded picture that is kept while the page is open
GAP = 4
_LEAST = 1e-9


@cache
def bundled(folder: Path = PICTURES) -> dict[str, bytes]:
    """The pictures that come with the studio, by name."""
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.png"))}


def thumbnails() -> dict:
    """The bundled pictures to choose from."""
    pictures = [{"name": name, "src": _thumbnail(data)} for name, data in bundled().items()]
    return {"pictures": pictures, "chosen": pictures[0]["name"] if pictures else ""}


def kept(path: Path) -> bytes:
    """An upload as a PNG of a sensible size; raises BadPicture."""
    image = open_picture(path)
    image.thumbnail((KEPT, KEPT), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return to_png(image)


def process(made: Process, key: int) -> dict:
    """Everything that is drawn without asking again; `key` tells it from earlier ones."""
    return {
        "kind": "process",
        "key": key,
        "space": made.noising.space,
        "schedule": asdict(made.noising.schedule),
        "seed": made.noising.seed,
        "shape": list(made.shape),
        "x0": _packed(made.x0),
        "eps": _packed(made.eps),
        "matrix": made.matrix,
        "down": made.down,
        "picture": stream.png(made.picture),
        "curves": _curves(made.curves),
        "against": _curves(made.against) if made.against else None,
    }


def decoded(parts: Sequence[Decoded], key: int) -> dict:
    """States through the decoder, so far."""
    frames = [{"share": part.share, "src": _light(part.picture)} for part in parts]
    return {"kind": "decoded", "key": key, "frames": frames}


def guesses(parts: Sequence[Guess], key: int, done: bool) -> dict:
    """The errors so far; pictures of the newest, and of all when it is done."""
    rows = []
    for part in parts:
        row = {name: value for name, value in asdict(part).items() if name not in ("xt", "x0")}
        if done or part is parts[-1]:
            row |= {"xt": _light(part.xt), "x0": _light(part.x0)}
        rows.append(row)
    return {"kind": "guesses", "key": key, "rows": rows, "done": done}


def walked(parts: Sequence[Walked]) -> dict:
    """The walk so far."""
    rows = [{**asdict(part), "picture": _light(part.picture)} for part in parts]
    return {"kind": "walked", "rows": rows}


def inversion(part: Inverting | Inverted) -> dict:
    """How far it is, or how it ended."""
    if isinstance(part, Inverting):
        return {
            "kind": "inverting",
            "done": part.done,
            "total": part.total,
            "back": part.back,
            "picture": stream.jpeg(part.picture),
        }
    pictures = {name: stream.png(getattr(part, name)) for name in ("original", "noise", "picture")}
    return {"kind": "inverted", **asdict(part), **pictures}


def densities(made: Sequence[Density]) -> list[dict]:
    """What training draws from."""
    return [{"id": d.id, "values": [round(v, 5) for v in d.values]} for d in made]


def sheet(made: Strip) -> bytes:
    """The frames of a strip side by side, the decoded ones below, as PNG."""
    lines = [[_open(data) for data in line] for line in (made.frames, made.decoded) if line]
    width, height = lines[0][0].size
    out = Image.new(
        "RGB",
        (len(lines[0]) * (width + GAP) - GAP, len(lines) * (height + GAP) - GAP),
        "white",
    )
    for y, line in enumerate(lines):
        for x, frame in enumerate(line):
            out.paste(frame, (x * (width + GAP), y * (height + GAP)))
    return to_png(out)


def download(data: bytes, name: str, mime: str) -> dict:
    """A file for the visitor, as data."""
    return {"name": name, "mime": mime, "data": base64.b64encode(data).decode()}


def _curves(made) -> dict:
    said = asdict(made)
    return {
        name: [None if v is None else float(f"{v:.9g}") for v in value]
        if isinstance(value, tuple)
        else value
        for name, value in said.items()
    }


def _packed(data: bytes) -> dict:
    values = np.frombuffer(data, "<f4")
    scale = max(float(np.abs(values).max()), _LEAST) / 32767
    whole = np.round(values / scale).astype("<i2")
    return {"scale": scale, "data": base64.b64encode(whole.tobytes()).decode()}


def _light(data: bytes) -> str:
    return stream.jpeg(to_jpeg(_open(data), quality=90))


def _thumbnail(data: bytes) -> str:
    image = _open(data)
    image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    return stream.jpeg(to_jpeg(image, quality=88))


def _open(data: bytes) -> Image.Image:
    """A PNG of our own making."""
    return Image.open(io.BytesIO(data)).convert("RGB")
