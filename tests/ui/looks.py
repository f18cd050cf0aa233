"""Comparing a screenshot with its stored baseline, as an eye at arm's length would."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

BASELINES = Path(__file__).parent / "baselines"
OUT = Path(__file__).parent / "out"
BLOCK = 8  # pixels of the halved picture
SEEN = 14.0  # grey levels a block may differ by before an eye sees it
MOST = 0.02  # the share of blocks that may differ by more


def stored(png: bytes) -> Image.Image:
    """A screenshot as baselines are kept: half the size, RGB."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    size = (image.width // 2, image.height // 2)
    return image.resize(size, Image.Resampling.BOX)


def difference(now: Image.Image, then: Image.Image) -> float:
    """The share of blocks in which the mean colour differs visibly; 1 for another size."""
    if now.size != then.size:
        return 1.0
    a, b = _blocks(now), _blocks(then)
    return float((np.abs(a - b).max(-1) > SEEN).mean())


def _blocks(image: Image.Image) -> np.ndarray:
    """Mean colour of every block, (rows, columns, 3)."""
    pixels = np.asarray(image, np.float32)
    rows, columns = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK
    cut = pixels[: rows * BLOCK, : columns * BLOCK]
    return cut.reshape(rows, BLOCK, columns, BLOCK, 3).mean((1, 3))
