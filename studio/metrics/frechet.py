"""How far two clouds of features are apart, each taken for one Gaussian (Heusel et al. 2017).

On Inception's pooled features this is FID, on its spatial ones sFID; on other features it is the
same formula and another number. Plain arrays, float64; no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARES = (0.4, 0.5, 0.65, 0.8, 1.0)  # of both clouds, for the bias over their size
DRAWS = 12  # of each share


@dataclass(frozen=True, slots=True)
class Extrapolated:
    """The distance that endless clouds would have, and what it was read off.

    `points`: (share of both clouds, mean distance). distance ≈ value + slope / share.
    """

    value: float
    slope: float
    points: tuple[tuple[float, float], ...]


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and unbiased covariance (D, D) of features (N, D); N ≥ 2."""
    if len(x) < 2:
        raise ValueError("a covariance needs two points")
    x = x.astype(np.float64)
    mean = x.mean(0)
    return mean, (x - mean).T @ (x - mean) / (len(x) - 1)


def between_gaussians(
    mean: np.ndarray, covariance: np.ndarray, other: np.ndarray, others: np.ndarray
) -> float:
    """‖m₁ − m₂‖² + tr C₁ + tr C₂ − 2 tr (C₁C₂)^½ (Dowson & Landau 1982).

    With Cᵢ = SᵢSᵢᵀ the last trace is the sum of the singular values of S₁ᵀS₂, which stays real and
    exact where the covariances are singular: more features than points.
    """
    product = np.linalg.svd(_half(covariance).T @ _half(others), compute_uv=False).sum()
    apart = float(np.square(mean - other).sum())
    return max(apart + float(np.trace(covariance) + np.trace(others) - 2 * product), 0.0)


def distance(x: np.ndarray, y: np.ndarray) -> float:
    """Between two clouds (N, D) and (M, D). It is too large by about c/N + c'/M."""
    return between_gaussians(*moments(x), *moments(y))


def infinite(
    x: np.ndarray,
    y: np.ndarray,
    shares: tuple[float, ...] = SHARES,
    draws: int = DRAWS,
    seed: int = 0,
) -> Extrapolated:
    """The distance extrapolated to endless clouds (Chong & Forsyth 2020, section 3).

    They draw from the made pictures alone; here both clouds are small, so both are thinned by one
    share, which scales c/N + c'/M together. Drawn without replacement.
    """
    random, points = np.random.default_rng(seed), []
    for share in shares:
        some = []
        for _ in range(draws if share < 1 else 1):
            parts = [c[random.permutation(len(c))[: max(2, round(share * len(c)))]] for c in (x, y)]
            some.append(distance(*parts))
        points.append((share, float(np.mean(some))))
    inverse = np.array([1 / share for share, _ in points])
    slope, value = np.polyfit(inverse, [mean for _, mean in points], 1)
    return Extrapolated(float(value), float(slope), tuple(points))


def _half(covariance: np.ndarray) -> np.ndarray:
    """S with SSᵀ = the covariance, from its eigenvectors; rounding's negative values count as 0."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0.0, None))
