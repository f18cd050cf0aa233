"""KID: the maximum mean discrepancy of two clouds of features, unbiased at any size.

Bińkowski et al. 2018, section 3: kernel (x·y/D + 1)³. Plain arrays; no torch.
"""

from __future__ import annotations

import numpy as np

SUBSETS, SIZE = 100, 1000  # theirs


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(N, D), (M, D) → (N, M)."""
    near = x @ y.T / x.shape[1] + 1.0
    return near * near * near


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of MMD² (Gretton et al. 2012, lemma 6), which may be below 0.

    A point's kernel with itself is left out. Two points a cloud are needed.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    within = sum(_pairs(kernel(cloud, cloud)) for cloud in (x, y))
    return float(within - 2 * kernel(x, y).mean())


def kid(
    x: np.ndarray, y: np.ndarray, subsets: int = SUBSETS, size: int = SIZE, seed: int = 0
) -> float:
    """The mean over subsets of `size` points each; all points at once where they are no more."""
    if max(len(x), len(y)) <= size:
        return mmd2(x, y)
    random, some = np.random.default_rng(seed), []
    for _ in range(subsets):
        parts = (c[random.permutation(len(c))[:size]] for c in (x, y))
        some.append(mmd2(*parts))
    return float(np.mean(some))


def _pairs(k: np.ndarray) -> float:
    """The mean of a square matrix without its diagonal."""
    count = len(k)
    return float((k.sum() - np.trace(k)) / (count * (count - 1)))
