"""How far two clouds of points are apart as distributions: (B, D) each, on the CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor

DIRECTIONS = 64
MOST = 1000  # points of each cloud that the energy distance compares pair by pair


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = DIRECTIONS) -> float:
    """The 1-Wasserstein distance of the clouds' shadows, mean over directions in the plane.

    x and y (B, 2), as many points each. The directions are spread evenly over half a turn, so
    that nothing is drawn (Bonneel et al. 2015 draw them). Raises ValueError for unlike sizes.
    """
    if x.shape != y.shape or x.shape[1] != 2:
        raise ValueError("two clouds in the plane with as many points each are needed")
    turns = torch.arange(directions, dtype=x.dtype) * (math.pi / directions)
    rays = torch.stack([turns.cos(), turns.sin()])  # (2, directions)
    a, b = (x @ rays).sort(0).values, (y @ rays).sort(0).values
    return float((a - b).abs().mean())


def energy_distance(x: Tensor, y: Tensor, most: int = MOST) -> float:
    """√(2E|X-Y| - E|X-X'| - E|Y-Y'|) over the first `most` points (Székely & Rizzo 2013).

    In one dimension it is scipy's `energy_distance`. The means are over all pairs, a point with
    itself too, which keeps the root real.
    """
    x, y = x[:most], y[:most]
    between = torch.cdist(x, y).mean()
    within = torch.cdist(x, x).mean() + torch.cdist(y, y).mean()
    return math.sqrt(max(float(2.0 * between - within), 0.0))
