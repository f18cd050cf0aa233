"""A race as one picture: its lanes with captions, the table, and errors over evaluations.

PIL only. Both axes of the plot are logarithmic; a line under the floor says nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from studio.imaging.grids import FONT
from studio.imaging.pictures import open_picture, to_png
from studio.racing import Fit, Reference, Row

INK, QUIET, PAPER, FAINT = "#1b1c1a", "#6c6d66", "#ffffff", "#e4e4de"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#5d6d1e")
EDGE, GAP, CELL, LINE = 28, 14, 128, 20  # pixels
PLOT = (470, 320)
COLUMNS = (
    ("sampler", 176), ("order", 52), ("steps", 52), ("NFE", 46), ("s alone", 64), ("RMSE", 74),
    ("PSNR", 58), ("SSIM", 58), ("sharp", 56),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Method:
    """What is one line in the plot: its name, its rows, and its order where there is one."""

    name: str
    rows: tuple[Row, ...]
    fit: Fit | None = None


def sheet(
    title: Sequence[str],
    methods: Sequence[Method],
    pictures: Mapping[int, bytes],
    references: Sequence[Reference] = (),
    columns: int = 6,
) -> bytes:
    """PNG bytes. `pictures` are PNG by `Row.lane`; the references come after them."""
    cells = [
        (pictures[row.lane], (method.name, _caption(row)), COLOURS[place % len(COLOURS)])
        for place, method in enumerate(methods)
        for row in method.rows
    ]
    for each in references:
        said = (f"reference, {each.nfe} NFE", f"± {each.error:.1e}")
        cells.append((each.png, said, INK))
    columns = max(3, min(columns, len(cells)))
    down = -(-len(cells) // columns)
    tall = CELL + 2 * LINE + GAP
    table = sum(width for _, width in COLUMNS)
    count = sum(len(method.rows) for method in methods)
    width = 2 * EDGE + max(columns * (CELL + GAP) - GAP, table + 2 * EDGE + PLOT[0])
    top = EDGE + len(title) * LINE + GAP
    below = top + down * tall + GAP
    height = below + max((count + 1) * LINE, PLOT[1] + len(methods) * LINE) + EDGE
    made = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(made)
    for line, text in enumerate(title):
        _text(draw, (EDGE, EDGE + line * LINE), text, QUIET if line else INK)
    for k, (data, said, colour) in enumerate(cells):
        at = (EDGE + k % columns * (CELL + GAP), top + k // columns * tall)
        made.paste(_fitted(data), at)
        draw.line((at[0], at[1] + CELL + 3, at[0] + CELL, at[1] + CELL + 3), colour, 3)
        _text(draw, (at[0], at[1] + CELL + 8), said[0], INK, CELL)
        _text(draw, (at[0], at[1] + CELL + 8 + LINE - 3), said[1], QUIET, CELL)
    _table(draw, (EDGE, below), methods)
    floor = max((each.error for each in references), default=0.0)
    _plot(draw, (width - EDGE - PLOT[0], below), methods, floor)
    return to_png(made)


def _caption(row: Row) -> str:
    error = "" if row.rmse is None else f" · {row.rmse:.3g}"
    return f"{row.nfe} NFE{error}"


def _fitted(data: bytes) -> Image.Image:
    """The picture at the cell's size: squares where it grows by a whole factor, else Lanczos."""
    image = open_picture(data)
    whole = CELL % max(image.size) == 0
    how = Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS
    return image.resize((CELL, CELL), how) if image.size != (CELL, CELL) else image


def _table(draw: ImageDraw.ImageDraw, at: tuple[int, int], methods: Sequence[Method]) -> None:
    x0, y = at
    _line(draw, x0, y, [name for name, _ in COLUMNS], QUIET)
    for place, method in enumerate(methods):
        for row in method.rows:
            y += LINE
            draw.rectangle((x0, y + 5, x0 + 6, y + 11), fill=COLOURS[place % len(COLOURS)])
            values = (
                method.name, _said(row.order, "d"), str(row.steps), str(row.nfe),
                _said(row.seconds, ".2f"), _said(row.rmse, ".3g"), _said(row.psnr, ".1f"),
                _said(row.ssim, ".3f"), _said(row.sharpness, ".1f"),
            )  # fmt: skip
            _line(draw, x0, y, values, INK)


def _line(draw: ImageDraw.ImageDraw, x: int, y: int, values: Sequence[str], ink: str) -> None:
    for k, ((_, width), value) in enumerate(zip(COLUMNS, values, strict=True)):
        if k == 0:
            _text(draw, (x + 12, y), value, ink, width - 12)
        else:
            draw.text((x + width, y), value, fill=ink, font=_font(13), anchor="ra")
        x += width


def _plot(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], methods: Sequence[Method], floor: float
) -> None:
    points = [(r.nfe, r.rmse) for m in methods for r in m.rows if r.rmse and r.rmse > 0]
    if not points:
        return
    left, top, right, bottom = at[0] + 58, at[1] + 8, at[0] + PLOT[0], at[1] + PLOT[1] - 40
    low_x, high_x = min(n for n, _ in points) / 1.2, max(n for n, _ in points) * 1.2
    errors = [e for _, e in points] + ([floor] if floor else [])
    low_y, high_y = min(errors) / 1.5, max(errors) * 1.5

    def place(nfe: float, error: float) -> tuple[float, float]:
        across = math.log(nfe / low_x) / math.log(high_x / low_x)
        up = math.log(error / low_y) / math.log(high_y / low_y)
        return left + across * (right - left), bottom - up * (bottom - top)

    for error in _ticks(low_y, high_y):
        y = place(low_x, error)[1]
        draw.line((left, y, right, y), FAINT)
        draw.text((left - 8, y), f"{error:g}", fill=QUIET, font=_font(12), anchor="rm")
    for nfe in sorted({n for n, _ in points}):
        x = place(nfe, low_y)[0]
        draw.line((x, bottom, x, bottom + 4), QUIET)
        draw.text((x, bottom + 6), str(nfe), fill=QUIET, font=_font(12), anchor="ma")
    draw.line((left, bottom, right, bottom), QUIET)
    draw.text((right, bottom + 22), "RMSE over network evaluations", fill=QUIET,
              font=_font(12), anchor="ra")  # fmt: skip
    if floor:
        y = place(low_x, floor)[1]
        for x in range(left, right, 10):
            draw.line((x, y, x + 5, y), QUIET)
        draw.text((right, y + 2), "the reference's own", fill=QUIET, font=_font(12), anchor="ra")
    for k, method in enumerate(methods):
        colour = COLOURS[k % len(COLOURS)]
        mine = [place(r.nfe, r.rmse) for r in method.rows if r.rmse and r.rmse > 0]
        noisy = bool(method.rows) and method.rows[0].order is None
        if not noisy and len(mine) > 1:
            draw.line(mine, colour, 2)
        for x, y in mine:
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), PAPER if noisy else colour, colour, 2)
    for k, method in enumerate(methods):
        y = bottom + 48 + k * LINE
        draw.rectangle((left, y + 4, left + 8, y + 8), fill=COLOURS[k % len(COLOURS)])
        draw.text((left + 16, y - 2), f"{method.name}{_order(method)}", fill=INK, font=_font(12))


def _order(method: Method) -> str:
    if method.rows and method.rows[0].order is None:
        return ", no pathwise limit"
    if method.fit is None or method.fit.order is None:
        return ""
    error = "" if method.fit.error is None else f" ± {method.fit.error:.2f}"
    return f", order {method.fit.order:.2f}{error}"


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 where there are few of them."""
    range_ = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**k for k in range_ if low <= 10.0**k <= high]
    fine = [f * 10.0**k for k in range_ for f in (1, 2, 5) if low <= f * 10.0**k <= high]
    return tens if len(tens) > 2 else fine


def _said(value: float | int | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _text(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, ink: str, room: int = 10**6
) -> None:
    font, cut = _font(13), text
    while cut and font.getlength(cut + ("…" if cut != text else "")) > room:
        cut = cut[:-1]
    draw.text(at, cut if cut == text else cut.rstrip() + "…", fill=ink, font=font)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The page's own face; PIL's where this build of it reads no WOFF2."""
    try:
        return ImageFont.truetype(io.BytesIO(FONT.read_bytes()), size)
    except OSError:
        return ImageFont.load_default(size)
