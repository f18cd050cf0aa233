"""Which colour a picture of a thing has: the share of its coloured pixels that are of a hue."""

from __future__ import annotations

import cv2
import numpy as np

# degrees of the hue circle, from and to; the gaps between them belong to nobody
HUES = {"red": (345, 15), "yellow": (42, 68), "green": (80, 165), "blue": (190, 250),
        "purple": (260, 315)}  # fmt: skip
SATURATION, VALUE = 0.25, 0.2  # below these a pixel has no colour worth naming
LEAST = 0.02  # of a picture must be coloured at all


def share(picture: np.ndarray, colour: str) -> float:
    """Of the coloured pixels of (H, W, 3) uint8, those of this hue; 0 where hardly any have one."""
    hsv = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hue, saturation, value = hsv[..., 0], hsv[..., 1], hsv[..., 2]
    coloured = (saturation >= SATURATION) & (value >= VALUE)
    if coloured.mean() < LEAST:
        return 0.0
    low, high = HUES[colour]
    here = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
    return float(here[coloured].mean())
