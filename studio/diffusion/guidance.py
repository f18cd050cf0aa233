"""Guidance: which rows a question needs, and how their raw outputs become one.

A guidance declares its rows at a level and combines them; what it keeps between steps goes in
and comes out as `state`, so that one object serves many runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor


class Guidance(Protocol):
    """What a run needs of any guidance. Rows: "cond" and "uncond" (the negative prompt)."""

    def rows(self, share: float) -> tuple[str, ...]: ...

    def combine(self, raw: Mapping[str, Tensor], state: Any = None) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True, slots=True)
class Unguided:
    """The conditional row alone."""

    def rows(self, share: float) -> tuple[str, ...]:
        """Always the conditional row."""
        return ("cond",)

    def combine(self, raw: Mapping[str, Tensor], state: Any = None) -> tuple[Tensor, Any]:
        """Its output as it is."""
        return raw["cond"], state


@dataclass(frozen=True, slots=True)
class ClassifierFree:
    """uncond + scale·(cond - uncond) on raw outputs (Ho & Salimans 2022; their w = scale - 1).

    A negative prompt is nothing but another text in the uncond row. `rescale` ∈ [0, 1] draws
    the result's spread back to the conditional one's (Lin et al. 2023, eq. 15-16). Outside
    `interval`, shares of the network's time (Kynkäänniemi et al. 2024), only cond is asked.
    """

    scale: float = 5.0
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)

    def rows(self, share: float) -> tuple[str, ...]:
        """The rows to be asked at `share` = t/T: one where the other has no weight."""
        if self.scale == 1.0 or not self.interval[0] <= share <= self.interval[1]:
            return ("cond",)
        return ("uncond",) if self.scale == 0.0 else ("uncond", "cond")

    def combine(self, raw: Mapping[str, Tensor], state: Any = None) -> tuple[Tensor, Any]:
        """(B, C, H, W) from the rows that were asked."""
        if len(raw) == 1:
            return next(iter(raw.values())), state
        cond, uncond = raw["cond"], raw["uncond"]
        guided = uncond + self.scale * (cond - uncond)
        return (rescaled(guided, cond, self.rescale) if self.rescale else guided), state


def rescaled(guided: Tensor, cond: Tensor, share: float) -> Tensor:
    """`guided` with each picture's standard deviation moved towards cond's by `share`."""
    dims = tuple(range(1, cond.dim()))
    factor = cond.std(dims, keepdim=True) / guided.std(dims, keepdim=True)
    return guided * (share * factor + (1.0 - share))


def build(
    kind: str,
    scale: float = 5.0,
    rescale: float = 0.0,
    interval: tuple[float, float] = (0.0, 1.0),
) -> Guidance:
    """The guidance of a recipe. Raises ValueError for a kind that there is not."""
    if kind not in GUIDANCES:
        raise ValueError(f"the guidance {kind!r} is not known")
    return Unguided() if kind == "none" else GUIDANCES[kind](scale, rescale, tuple(interval))


GUIDANCES = {"none": Unguided, "cfg": ClassifierFree}
