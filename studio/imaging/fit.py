"""A picture at the size of a run: its middle, cut to the run's shape, then resized."""

from __future__ import annotations

import numpy as np
from PIL import Image


def cut(image: Image.Image, width: int, height: int) -> np.ndarray:
    """The largest middle part of the shape width:height, resized, (height, width, 3) uint8."""
    share = min(image.width / width, image.height / height)
    wide, high = share * width, share * height
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    box = (left, top, left + wide, top + high)
    filter = Image.Resampling.LANCZOS
    return np.array(image.resize((width, height), filter, box=box, reducing_gap=3.0))
