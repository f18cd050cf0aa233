"""Precision and recall of a generator (Kynkäänniemi et al. 2019): the share of made pictures that
lie among the real ones, and the share of real ones that lie among the made.

A cloud's manifold is the union of balls around its points, each reaching to the k-th nearest other
point of its own cloud. Plain arrays; no torch.
"""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 3  # theirs
BLOCK = 512  # rows of distances held at once


def distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Euclidean, (N, D), (M, D) → (N, M)."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    squared = np.square(x).sum(1)[:, None] + np.square(y).sum(1) - 2 * x @ y.T
    return np.sqrt(np.clip(squared, 0.0, None))


def radii(x: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """How far each point's k-th nearest other point is, (N,); N > k."""
    if len(x) <= k:
        raise ValueError(f"{k} neighbours need more than {k} points")
    found = []
    for first in range(0, len(x), BLOCK):
        apart = distances(x[first : first + BLOCK], x)
        apart[np.arange(len(apart)), np.arange(first, first + len(apart))] = np.inf
        found.append(np.partition(apart, k - 1, axis=1)[:, k - 1])
    return np.concatenate(found)


def inside(points: np.ndarray, cloud: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Whether each point (N, D) lies in the manifold of the cloud (M, D): (N,) bool."""
    reach = radii(cloud, k)
    parts = [points[i : i + BLOCK] for i in range(0, len(points), BLOCK)]
    return np.concatenate([(distances(part, cloud) <= reach).any(1) for part in parts])


def precision_recall(real: np.ndarray, made: np.ndarray, k: int = NEIGHBOURS) -> tuple:
    """(precision, recall), both in [0, 1]."""
    return float(inside(made, real, k).mean()), float(inside(real, made, k).mean())
