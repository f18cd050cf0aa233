"""The probability flow itself, integrated to a stated tolerance: what samplers are held against.

With tan(angle) = sigma/alpha every path's state is z·√(alpha² + sigma²), and all of them share one
equation: dz/d(angle) = cos·eps - sin·x0 for z = cos·x0 + sin·eps. It has no singular end, neither
at π/2 (noise alone) nor at 0 (clean), as long as the data has width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from studio.diffusion.path import Level

Slope = Callable[[Tensor, Level], tuple[Tensor, Tensor]]  # (z, level) -> (x0, eps)

# Dormand & Prince 1980, table 2: the fifth order's stages, and its difference to the fourth's.
NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
SMALLEST = 1e-9  # of a step, in radians


def angle(level: Level) -> float:
    """arctan(sigma/alpha): 0 when clean, π/2 when blind."""
    return math.atan2(level.sigma, level.alpha)


def at(angle: float) -> Level:
    """The level of the circle alpha = cos, sigma = sin."""
    return Level(angle, max(math.cos(angle), 0.0), math.sin(angle))


def flow(
    z: Tensor, angles: Sequence[float], slope: Slope, tolerance: float = 1e-9
) -> Iterator[Tensor]:
    """z (B, D) in float64 at every one of the falling `angles`, from the first on.

    Dormand-Prince 5(4) with one step size for all rows, so that no coordinate's estimated error
    in a step passes `tolerance`. Raises ValueError where steps become smaller than rounding.
    """

    def f(z: Tensor, a: float) -> Tensor:
        level = at(max(a, 0.0))
        x0, eps = slope(z, level)
        return level.alpha * eps - level.sigma * x0

    yield z
    step = 0.02
    for start, end in pairwise(angles):
        a, first = start, f(z, start)
        while a - end > 1e-13:
            step = min(step, a - end)
            slopes = [first]
            for node, weights in zip(NODES[1:], STAGES[1:], strict=True):
                there = z - step * sum(w * k for w, k in zip(weights, slopes, strict=True) if w)
                slopes.append(f(there, a - node * step))
            gap = step * sum(w * k for w, k in zip(ERROR, slopes, strict=True) if w)
            error = float(gap.abs().max())
            if error <= tolerance:
                z, a, first = there, a - step, slopes[-1]
            elif step < SMALLEST:
                raise ValueError("the flow is too steep to be integrated here")
            step *= min(5.0, max(0.2, 0.9 * (tolerance / max(error, 1e-300)) ** 0.2))
        yield z


def along(way: Tensor, angles: Sequence[float], stretch: Callable[[Level], float]) -> Tensor:
    """How straight a recorded flow is: distance from start to end over its length, (B,) in [0, 1].

    `way` (A, B, D) on the circle at `angles`; `stretch(level)` is √(alpha² + sigma²) of the path
    in whose coordinates it is measured.
    """
    factors = torch.tensor([stretch(at(a)) for a in angles], dtype=way.dtype)
    x = way * factors[:, None, None]
    length = (x[1:] - x[:-1]).square().sum(2).sqrt().sum(0)
    return (x[-1] - x[0]).square().sum(1).sqrt() / length.clamp(min=1e-300)
