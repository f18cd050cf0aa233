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
    """Fitted through the end of the longest stretch in which the error falls above `floor`.

    Few steps do not show a method's order and the smallest errors are the reference's own, so of
    that stretch (the later of two equally long ones) the last half is used, rounded up, and at
    least three points. None where it has fewer.
    """
    good = [i for i, e in enumerate(errors) if math.isfinite(e) and e > floor]
    stretch, longest = list[int](), list[int]()
    for i in good:
        if stretch and (i != stretch[-1] + 1 or errors[i] >= errors[stretch[-1]]):
            stretch = []
        stretch.append(i)
        if len(stretch) >= len(longest):
            longest = stretch
    used = longest[-max(LEAST, (len(stretch) + 1) // 2) :]
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
