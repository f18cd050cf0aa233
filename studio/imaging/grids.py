"""A grid as one picture: its cells in rows, a label on every column and row, its request above.

PIL only. Large grids are made smaller as a whole, so that the sheet can be opened again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from studio.axes import FIELDS, Axis
from studio.gridding import Grid
from studio.imaging.pictures import MAX_PIXELS, open_picture, to_png

PLAIN = ("prompt", "words", "model", "sampler", "spacing", "style")  # said without their field
FONT = Path(__file__).resolve().parents[2] / "assets" / "fonts" / "inter.woff2"
LEAST, EDGE, GAP = 112, 24, 6  # pixels: of a cell, around the sheet, between cells
INK, QUIET, PAPER, EMPTY = "#1b1c1a", "#6c6d66", "#ffffff", "#ecece7"
TEXT, SMALL, LINE = 15, 13, 21
SIDE_MOST = 260  # pixels of a row's label

Labels = Mapping[str, Mapping[str, str]]  # field → id → how it is called


def sheet(grid: Grid, pictures: Mapping[int, bytes], names: Labels) -> bytes:
    """PNG bytes; `pictures` are the finished cells' by index, others stay empty."""
    opened = {index: open_picture(data) for index, data in pictures.items()}
    width, height = _cell(grid, opened)
    across = [label(grid.x, text, names) for text in grid.x.values]
    down = [label(grid.y, text, names) for text in grid.y.values] if grid.y else [""]
    side = _side(down)
    head = [_cut(line, width * grid.columns + side, SMALL) for line in _head(grid, names)]
    tops = [_wrapped(text, width) for text in across]
    tall = max(map(len, tops)) * LINE + 8
    left, top = EDGE + side, EDGE + len(head) * LINE + 10 + tall
    size = (
        left + grid.columns * (width + GAP) - GAP + EDGE,
        top + grid.rows * (height + GAP) - GAP + EDGE,
    )
    made = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(made)
    for line, text in enumerate(head):
        draw.text((EDGE, EDGE + line * LINE), text, fill=QUIET if line else INK, font=_font(SMALL))
    for column, lines in enumerate(tops):
        centre = left + column * (width + GAP) + width / 2
        for line, text in enumerate(lines):
            above = top - 8 - (len(lines) - line) * LINE
            draw.text((centre, above), text, fill=INK, font=_font(TEXT), anchor="ma")
    for row, text in enumerate(down):
        middle = top + row * (height + GAP) + height / 2
        lines = _wrapped(text, side - 14) if text else []
        for line, part in enumerate(lines):
            y = middle + (line - (len(lines) - 1) / 2) * LINE
            draw.text((left - 14, y), part, fill=INK, font=_font(TEXT), anchor="rm")
    for index in range(grid.cells):
        row, column = divmod(index, grid.columns)
        at = (left + column * (width + GAP), top + row * (height + GAP))
        if index in opened:
            _paste(made, opened[index], at, (width, height))
        else:
            draw.rectangle((*at, at[0] + width - 1, at[1] + height - 1), fill=EMPTY)
    return to_png(made)


def label(axis: Axis, text: str, names: Labels) -> str:
    """What stands on a column or row: the value, with its field where that is not plain."""
    said = names.get(axis.field, {}).get(text, text)
    if axis.field in PLAIN:
        return said or "–"
    return f"{FIELDS[axis.field].name} {said or '–'}"


def _head(grid: Grid, names: Labels) -> list[str]:
    """The request as far as no axis says it."""
    r, g = grid.request, grid.request.guidance
    taken = {axis.field for axis in grid.axes}
    called = lambda field, id: names.get(field, {}).get(id, id)  # noqa: E731
    said = {
        "model": called("model", r.model),
        "sampler": called("sampler", r.sampler),
        "steps": f"{r.steps} steps",
        "spacing": called("spacing", r.spacing),
        "guidance": f"guidance {g.scale:g}",
        "rescale": f"rescale {g.rescale:g}" if g.rescale else "",
        "eta": f"η {r.eta:g}" if r.eta else "",
        "seed": f"seed {r.seed}",
        "negative": f"without {r.negative_prompt}" if r.negative_prompt else "",
    }
    rest = " · ".join(text for field, text in said.items() if text and field not in taken)
    return [rest] if "prompt" in taken else [r.prompt or "–", rest]


def _cell(grid: Grid, opened: Mapping[int, Image.Image]) -> tuple[int, int]:
    """Width and height of every cell: the largest picture's, in whole multiples, made to fit."""
    sizes = [image.size for image in opened.values()] or [(128, 128)]
    width, height = (max(side) for side in zip(*sizes, strict=True))
    by = max(1, -(-LEAST // max(width, height)))
    width, height = width * by, height * by
    while _most(grid, width, height) > MAX_PIXELS and min(width, height) > 8:
        width, height = int(width * 0.96), int(height * 0.96)
    return width, height


def _most(grid: Grid, width: int, height: int) -> int:
    """Pixels of the whole sheet, its labels as large as they may get."""
    across = 2 * EDGE + SIDE_MOST + grid.columns * (width + GAP)
    return across * (2 * EDGE + 6 * LINE + grid.rows * (height + GAP))


def _paste(made: Image.Image, image: Image.Image, at: tuple[int, int], room: tuple[int, int]):
    """The picture in the middle of its cell: as it is, by Lanczos where it must be another size."""
    by = min(room[0] / image.width, room[1] / image.height)
    by = int(by) if by >= 1 else by
    size = (round(image.width * by), round(image.height * by))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    made.paste(image, (at[0] + (room[0] - size[0]) // 2, at[1] + (room[1] - size[1]) // 2))


def _side(down: list[str]) -> int:
    widest = max(_font(TEXT).getlength(text) for text in down)
    return min(SIDE_MOST, int(widest) + 16) if widest else 0


def _wrapped(text: str, width: int, most: int = 3) -> list[str]:
    """The text in at most three lines of that many pixels."""
    lines: list[str] = []
    for word in text.split() or [""]:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font(TEXT).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines[most - 1 :] = [" ".join(lines[most - 1 :])]
    return [_cut(line, width, TEXT) for line in lines]


def _cut(text: str, width: int, size: int) -> str:
    """The text, or as much of it as fits."""
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The page's own face; PIL's where this build of it reads no WOFF2."""
    try:
        return ImageFont.truetype(io.BytesIO(FONT.read_bytes()), size)
    except OSError:
        return ImageFont.load_default(size)
