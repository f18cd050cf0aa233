"""The variable that a Runge-Kutta or Adams method integrates over, by the kind of path.

x/scale moves with the given slope: over sigma_k with slope eps (Karras et al. 2022, eq. 4, with
s = alpha), and on a flow over its own sigma with slope u = eps - x0. Methods of first order do
not depend on the choice; those here do, and take the one their networks are trained in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Answer

if TYPE_CHECKING:
    from torch import Tensor


def place(path: Path, level: Level) -> float:
    """Where a level is on the variable; inf where sigma_k is."""
    if path.kind == "flow":
        return level.sigma / (level.alpha + level.sigma)
    return level.sigma_k


def scale(path: Path, level: Level) -> float:
    """What states are divided by."""
    return level.alpha + level.sigma if path.kind == "flow" else level.alpha


def slope(path: Path, a: Answer) -> Tensor:
    """d(x/scale)/d(place)."""
    return a.eps - a.x0 if path.kind == "flow" else a.eps


def between(path: Path, here: Level, there: Level) -> Level:
    """A level in the middle: of time on a flow, else of log-SNR."""
    if path.kind == "flow":
        return path.level(0.5 * (here.t + there.t))
    return path.at(0.5 * (here.logsnr + there.logsnr))


def adams(nodes: list[float], start: float, end: float, rate: float = 0.0) -> np.ndarray:
    """∫ L_j(s)·e^(rate·(s - start)) ds from start to end, for every node j: (len(nodes),).

    L_j is Lagrange's polynomial through the nodes: the weights of an Adams method, with an
    exponential where the equation has one. Gauss-Legendre with 32 points.
    """
    points, weights = np.polynomial.legendre.leggauss(32)
    half = 0.5 * (end - start)
    s = start + half * (points + 1.0)
    measure = half * weights * np.exp(rate * (s - start))
    out = []
    for j, node in enumerate(nodes):
        others = [other for i, other in enumerate(nodes) if i != j]
        basis = np.prod([(s - o) / (node - o) for o in others], axis=0)
        out.append(float(np.sum(measure * basis)))
    return np.array(out)
