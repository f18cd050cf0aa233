"""95 % intervals around what was measured on a sample. Plain arrays; no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

Z = 1.959964  # of the normal distribution, two-sided
RESAMPLES = 2000
GROUPS = 20


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Of a share of independent yes and no (Wilson 1927); within [0, 1] even at 0 and 1."""
    share, z2 = hits / count, Z * Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    wide = math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    half = Z / (1 + z2 / count) * wide
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return 0.0 if hits == 0 else low, 1.0 if hits == count else high


def bootstrap(
    values: Sequence[float],
    clusters: Sequence[object] | None = None,
    statistic: Callable[[np.ndarray], float] = np.mean,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentiles of the statistic over resamples (Efron 1979).

    `clusters` says which values belong together, such as pictures of one concept: whole clusters
    are drawn then, for their values are not independent.
    """
    data = np.asarray(values, np.float64)
    names = list(range(len(data))) if clusters is None else list(clusters)
    places = {name: i for i, name in enumerate(dict.fromkeys(names))}
    which = np.array([places[name] for name in names])
    members = [np.flatnonzero(which == i) for i in range(len(places))]
    random, found = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        drawn = random.integers(len(members), size=len(members))
        found.append(statistic(data[np.concatenate([members[i] for i in drawn])]))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def jackknife(
    statistic: Callable[..., float], *clouds: np.ndarray, groups: int = GROUPS, seed: int = 0
) -> float:
    """The standard error of a statistic of clouds (N, …), by leaving out a group of each at a time.

    Resampling with replacement would add to a Fréchet distance what repeated points take from the
    covariances; leaving out does not. The clouds' errors are independent and add as squares.
    """
    random, total = np.random.default_rng(seed), 0.0
    for place, cloud in enumerate(clouds):
        order = random.permutation(len(cloud))
        count = min(groups, len(cloud))
        left = []
        for group in np.array_split(order, count):
            kept = np.delete(cloud, group, axis=0)
            left.append(statistic(*clouds[:place], kept, *clouds[place + 1 :]))
        spread = np.asarray(left) - np.mean(left)
        total += (count - 1) / count * float(np.square(spread).sum())
    return math.sqrt(total)
