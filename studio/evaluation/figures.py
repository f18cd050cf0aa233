"""A figure: what was measured, on how many, and how far it may be off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from studio.metrics.intervals import Z, bootstrap, jackknife, wilson

DIGITS = 5  # that are written, significant ones


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` with its 95 % interval, of `n` pictures or words; None and `why` where there is none.

    `more` holds what a reader needs beside it: a ceiling, a floor, a threshold.
    """

    value: float | None
    n: int = 0
    low: float | None = None
    high: float | None = None
    why: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def said(self) -> dict[str, Any]:
        """As it is written to JSON."""
        fixed = {"value": self.value, "n": self.n, "low": self.low, "high": self.high}
        return shortened(fixed | ({"why": self.why} if self.why else {}) | self.more)


def none(why: str) -> Figure:
    """A figure that this checkpoint does not have."""
    return Figure(None, why=why)


def share(hits: Sequence[bool], clusters: Sequence[str] | None = None, **more: Any) -> Figure:
    """The share of hits; whole clusters are resampled, where pictures belong together.

    Where every cluster said the same, resampling sees no spread: Wilson's interval then, of the
    clusters.
    """
    found = np.asarray(hits, float)
    value = float(found.mean())
    if clusters is None or value in (0.0, 1.0):
        count = len(found) if clusters is None else len(set(clusters))
        low, high = wilson(round(value * count), count)
    else:
        low, high = bootstrap(found, clusters)
    return Figure(value, len(found), low, high, more=more)


def mean(values: Sequence[float], clusters: Sequence[str] | None = None, **more: Any) -> Figure:
    """The mean of values, bootstrapped."""
    low, high = bootstrap(values, clusters)
    return Figure(float(np.mean(values)), len(values), low, high, more=more)


def median(values: Sequence[float], **more: Any) -> Figure:
    """The median of values, bootstrapped."""
    low, high = bootstrap(values, statistic=np.median)
    return Figure(float(np.median(values)), len(values), low, high, more=more)


def between(statistic: Any, made: np.ndarray, real: np.ndarray, **more: Any) -> Figure:
    """A distance of two clouds, with the normal interval of its jackknife."""
    value, error = statistic(made, real), jackknife(statistic, made, real)
    return Figure(value, len(made), value - Z * error, value + Z * error, more=more)


def shortened(value: Any) -> Any:
    """The same with every number at a few significant digits."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shortened(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return value
