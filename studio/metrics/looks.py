"""What a picture looks like, as one vector: where its gradients point, and its colours.

Histograms of oriented gradients (Dalal & Triggs 2005) over an 8×8 grid, and the mean colour of each
cell. No learned space: two pictures are near when shape and colour agree. Small, the same on every
machine, and enough to ask of an icon which concept it is nearest to.
"""

from collections.abc import Sequence

import cv2
import numpy as np

SIDE, CELLS, BINS = 64, 8, 9
COLOUR = 0.7  # weight of the colours beside the gradients


def describe(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB → (CELLS²·(BINS + 3),) float32 of length 1."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    joined = np.concatenate([unit(gradients(small)), COLOUR * unit(colours(small))])
    return unit(joined).astype(np.float32)


def gradients(picture: np.ndarray) -> np.ndarray:
    """Per cell, unsigned orientations weighted by magnitude, each cell's root: (CELLS²·BINS,)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    dy, dx = np.gradient(grey)
    strength, angle = np.hypot(dx, dy), np.mod(np.arctan2(dy, dx), np.pi) / np.pi * BINS
    low = np.floor(angle).astype(int)
    share = angle - low
    bins = np.zeros((*grey.shape, BINS))
    y, x = np.indices(grey.shape)
    np.add.at(bins, (y, x, low % BINS), strength * (1 - share))
    np.add.at(bins, (y, x, (low + 1) % BINS), strength * share)
    return np.sqrt(cells(bins)).ravel()


def colours(picture: np.ndarray) -> np.ndarray:
    """The mean of each cell in CIELAB, as the difference from white: (CELLS²·3,)."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return (cells(lab) - (100.0, 0.0, 0.0)).ravel()


def cells(values: np.ndarray) -> np.ndarray:
    """Means over the cells of the grid: (SIDE, SIDE, C) → (CELLS, CELLS, C)."""
    step = SIDE // CELLS
    return values.reshape(CELLS, step, CELLS, step, -1).mean((1, 3))


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def retrieved(
    made: Sequence[np.ndarray],
    asked: Sequence[str],
    gallery: np.ndarray,
    labels: Sequence[str],
    first: int = 1,
) -> float:
    """The share of pictures with the concept asked for among the `first` nearest of the gallery.

    gallery (N, D): descriptions; labels: their concepts. The nearest `first` *pictures* count.
    """
    named, hits = np.asarray(labels), 0
    for picture, concept in zip(made, asked, strict=True):
        near = np.argsort(-(gallery @ describe(picture)), kind="stable")[:first]
        hits += bool((named[near] == concept).any())
    return hits / len(made)
