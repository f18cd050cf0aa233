"""The order of convergence out of measured errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 3  # points that a fit needs


@dataclass(frozen=True, slots=True)
class Order:
    """error ≈ c·n^(-order), with the slope's standard error; `used` are the points' places."""

    order: float
    error: float
    used: tuple[int, ...]


def order(counts: Sequence[int], errors: Sequence[float], floor: float = 0.0) -> Order | None:
    """Fitted through the last points in which the error falls and is above `floor`.

    Few steps do not show a method's order and the smallest errors are the reference's own, so it
    takes the longest falling stretch before the floor, less its first half where more than six
    points are left. None where fewer than three are.
    """
    good = [i for i, e in enumerate(errors) if math.isfinite(e) and e > floor]
    stretch: list[int] = []
    for i in good:
        if stretch and (i != stretch[-1] + 1 or errors[i] >= errors[stretch[-1]]):
            stretch = []
        stretch.append(i)
    used = stretch[-max(LEAST, (len(stretch) + 1) // 2) :]
    if len(used) < LEAST:
        return None
    x = np.log([counts[i] for i in used])
    y = np.log([errors[i] for i in used])
    slope, intercept = np.polyfit(x, y, 1)
    rest = y - (slope * x + intercept)
    spread = math.sqrt(
        float(rest @ rest) / max(len(used) - 2, 1) / float(((x - x.mean()) ** 2).sum())
    )
    return Order(-float(slope), spread, tuple(used))
