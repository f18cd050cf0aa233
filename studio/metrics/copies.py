"""How near a picture is to being another one: the difference of the two, seen small.

Both are averaged down to 32 px, so that what a smudged edge or an autoencoder changes counts
little and what is where counts all. Plain arrays; no torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

SIDE = 32
BLOCK = 256


def small(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Pictures (H, W, 3) uint8 → (N, 32·32·3) float32 in [0, 1]."""
    shrunk = [cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in pictures]
    return np.stack(shrunk).reshape(len(shrunk), -1).astype(np.float32) / 255


def apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The RMS difference row by row, of two (N, …) that `small` made."""
    return np.sqrt(np.square(x - y).mean(1))


def nearest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row of x the place of the nearest row of y, and their RMS difference."""
    places, found = [], []
    length = np.square(y).sum(1)
    for first in range(0, len(x), BLOCK):
        part = x[first : first + BLOCK]
        place = (length - 2 * part @ y.T).argmin(1)
        places.append(place)
        found.append(apart(part, y[place]))
    return np.concatenate(places), np.concatenate(found)


def threshold(same: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Where copies end: the difference that tells `same` (differences of copies) from `other`
    (of pictures that are none) with the fewest mistakes, each kind counted as a share.

    Returns it with the shares of copies above it and of others below it.
    """
    places = np.unique(np.concatenate([same, other]))
    middles = (places[:-1] + places[1:]) / 2
    missed = np.array([(same > m).mean() for m in middles])
    taken = np.array([(other <= m).mean() for m in middles])
    best = np.flatnonzero(missed + taken == (missed + taken).min())
    at = int(best[len(best) // 2])  # of equally good ones the middle
    return float(middles[at]), float(missed[at]), float(taken[at])
