"""Contact sheets: pictures in rows with a line of text under each, to be looked at by a person."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LINE = 14


def draw_sheet(
    pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8
) -> Image.Image:
    """pictures: (H, W, 3) uint8, all of one size. The caption is cut where the next one begins."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + 4), rows * (height + LINE + 4)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x, y = i % columns * (width + 4), i // columns * (height + LINE + 4)
        sheet.paste(Image.fromarray(np.asarray(picture)), (x, y))
        while caption and draw.textlength(caption, font=font) > width:
            caption = caption[:-1]
        draw.text((x + 1, y + height + 1), caption, fill="black", font=font)
    return sheet


def save_sheet(
    path: Path, pictures: Sequence[np.ndarray], captions: Sequence[str], columns: int = 8
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(pictures, captions, columns).save(path)
