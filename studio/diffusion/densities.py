"""Which times a network is trained at: densities over t ∈ (0, 1), as SD3's paper compares them.

t = 1 is noise. `quantile` turns uniform numbers into times; `pdf` is the density it gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True)
class Density:
    """A density over t ∈ (0, 1) and its inverse distribution function, both elementwise."""

    pdf: Curve
    quantile: Curve


def uniform() -> Density:
    """Every t alike."""
    return Density(lambda t: np.ones_like(np.asarray(t, float)), lambda p: np.asarray(p, float))


def logit_normal(mean: float = 0.0, deviation: float = 1.0) -> Density:
    """ln(t/(1 - t)) ∼ N(mean, deviation²) (Esser et al. 2024, eq. 19)."""

    def pdf(t: np.ndarray) -> np.ndarray:
        t = np.asarray(t, float)
        z = (np.log(t / (1.0 - t)) - mean) / deviation
        return np.exp(-0.5 * z * z) / (deviation * math.sqrt(2 * math.pi) * t * (1.0 - t))

    def quantile(p: np.ndarray) -> np.ndarray:
        z = np.vectorize(NormalDist().inv_cdf, otypes=[float])(p)
        return 1.0 / (1.0 + np.exp(-(mean + deviation * z)))

    return Density(pdf, quantile)


def mode(scale: float = 1.29) -> Density:
    """t = f(1 - p), f(u) = 1 - u - scale·(cos²(πu/2) - 1 + u), rising in p (eq. 20).

    scale ∈ [-1, 2/(π - 2)]; 0 is uniform, more puts the weight in the middle.
    """
    if not -1.0 <= scale <= 2.0 / (math.pi - 2.0):
        raise ValueError("the mode's scale lies between -1 and 2/(π - 2), where f is monotone")

    def quantile(p: np.ndarray) -> np.ndarray:
        u = 1.0 - np.asarray(p, float)
        return 1.0 - u - scale * (np.cos(0.5 * math.pi * u) ** 2 - 1.0 + u)

    def pdf(t: np.ndarray) -> np.ndarray:
        low = np.zeros_like(np.asarray(t, float))
        high = np.ones_like(low)
        for _ in range(60):  # f has no inverse in closed form
            middle = 0.5 * (low + high)
            under = quantile(middle) < t
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        u = 1.0 - 0.5 * (low + high)
        return 1.0 / (1.0 + scale * (1.0 - 0.5 * math.pi * np.sin(math.pi * u)))

    return Density(pdf, quantile)


def cosmap() -> Density:
    """As dense in log-SNR as the cosine schedule: t = 1 - 1/(tan(πp/2) + 1) (eq. 21)."""

    def pdf(t: np.ndarray) -> np.ndarray:
        t = np.asarray(t, float)
        return 2.0 / (math.pi * (1.0 - 2.0 * t + 2.0 * t * t))

    def quantile(p: np.ndarray) -> np.ndarray:
        return 1.0 - 1.0 / (np.tan(0.5 * math.pi * np.asarray(p, float)) + 1.0)

    return Density(pdf, quantile)


DENSITIES: dict[str, Callable[..., Density]] = {
    "uniform": uniform,
    "logit_normal": logit_normal,
    "mode": mode,
    "cosmap": cosmap,
}
