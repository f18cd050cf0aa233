"""A picture at the size that a network wants: its middle, cut to that shape and resized."""

from __future__ import annotations

import numpy as np
from PIL import Image

LONGEST = 8  # times its shorter side: of anything longer the middle is taken first


def cut(image: Image.Image, width: int, height: int) -> np.ndarray:
    """The largest middle part of the shape width:height, resized, (height, width, 3) uint8."""
    share = min(image.width / width, image.height / height)
    wide, high = share * width, share * height
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (left, top, left + wide, top + high)
    filter = Image.Resampling.LANCZOS
    return np.array(image.resize((width, height), filter, box=box, reducing_gap=3.0))


def middle(image: Image.Image, edge: int, side: int) -> np.ndarray:
    """What CLIP sees of a picture, (side, side, 3) uint8: its shorter side becomes `edge`, then the
    middle is cut out. As its own image processor does, bicubic.
    """
    most = LONGEST * min(image.size)
    wide, high = (min(length, most) for length in image.size)
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    short = min(wide, high)
    size = (edge * wide // short, edge * high // short)
    cut_out = image.crop((left, top, left + wide, top + high))
    made = np.array(cut_out.resize(size, Image.Resampling.BICUBIC))
    x, y = (size[0] - side) // 2, (size[1] - side) // 2
    return made[y : y + side, x : x + side]
