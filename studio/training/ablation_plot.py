"""Curves over training as a plot, both axes logarithmic: of the blocks' (compute, loss), and of
(pictures seen, quality).
"""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#7f7f7f", "#2ca02c", "#ff7f0e", "#1f77b4", "#9467bd", "#d62728")


def plot(
    found: dict,
    path: Path,
    title: str = "held-out loss",
    under: str = "training compute in billion multiply-accumulates",
    unit: float = 1e9,
) -> None:
    """`found` has a `curve` of positive (x, y) for each name; x is said in `unit`."""
    width, height, edge = 720, 400, 44
    curves = {name: row["curve"] for name, row in found.items()}
    points = [point for curve in curves.values() for point in curve]
    low, high = (tuple(f(math.log(p[i]) for p in points) for i in (0, 1)) for f in (min, max))

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (
            (math.log(v) - low[i]) / max(high[i] - low[i], 1e-9) for i, v in enumerate((x, y))
        )
        return edge + (width - 2 * edge) * across, height - edge - (height - 2 * edge) * up

    picture = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    draw.rectangle([edge, edge, width - edge, height - edge], outline="#bbbbbb")
    rising = points[0][1] < next(iter(curves.values()))[-1][1]
    words = width - edge - 260 if rising else width - edge - 150
    first_line = height - edge - 10 - 16 * len(curves) if rising else edge + 6  # where no curve is
    for i, (name, curve) in enumerate(curves.items()):
        line = [place(*point) for point in curve]
        colour = COLOURS[i % len(COLOURS)]
        draw.line(line, fill=colour, width=2)
        for x, y in line:
            draw.ellipse([x - 2, y - 2, x + 2, y + 2], fill=colour)
        draw.text((words, first_line + 16 * i), name, fill=colour, font=font)
    first, last = (math.exp(v[0]) / unit for v in (low, high))
    least, most = (math.exp(v[1]) for v in (low, high))
    draw.text((edge, 10), f"{title} (logarithmic)", fill="black", font=font)
    draw.text((4, edge - 6), f"{most:.2f}", fill="black", font=font)
    draw.text((4, height - edge - 8), f"{least:.2f}", fill="black", font=font)
    draw.text((edge, height - edge + 6), f"{first:,.0f}", fill="black", font=font)
    said = f"{under} (logarithmic), to {last:,.0f}"
    draw.text(
        (width - edge - draw.textlength(said, font=font), height - edge + 6), said, "black", font
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)
