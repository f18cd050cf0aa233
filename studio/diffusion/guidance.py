"""Guidance: which rows a question needs, and how their outputs become one.

A guidance declares its rows at a level and combines them; what it keeps between steps goes in
and comes out as `state`, so that one object serves many runs. Those whose `space` is "raw"
combine what the network said; "x0" those that measure pictures: their rows are turned into x0
first, and eps is derived again from what comes out. `guided` does either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from studio.diffusion.path import Level
from studio.diffusion.prediction import to_x0_eps


class Guidance(Protocol):
    """What a run needs of any guidance.

    Rows: "cond", "uncond" (the negative prompt), "weak" (a weaker model with the same prompt).
    """

    @property
    def space(self) -> str: ...

    def rows(self, share: float) -> tuple[str, ...]: ...

    def combine(self, raw: Mapping[str, Tensor], state: Any = None) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True, slots=True)
class Unguided:
    """The conditional row alone."""

    space = "raw"

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
    `against` "weak" makes it autoguidance (Karras et al. 2024, eq. 1).
    """

    scale: float = 5.0
    rescale: float = 0.0
    interval: tuple[float, float] = (0.0, 1.0)
    against: str = "uncond"

    space = "raw"

    def rows(self, share: float) -> tuple[str, ...]:
        """The rows to be asked at `share` = t/T: one where the other has no weight."""
        if self.scale == 1.0 or not self.interval[0] <= share <= self.interval[1]:
            return ("cond",)
        return (self.against,) if self.scale == 0.0 else (self.against, "cond")

    def combine(self, raw: Mapping[str, Tensor], state: Any = None) -> tuple[Tensor, Any]:
        """(B, C, H, W) from the rows that were asked."""
        if len(raw) == 1:
            return next(iter(raw.values())), state
        cond, other = raw["cond"], raw[self.against]
        out = other + self.scale * (cond - other)
        return (rescaled(out, cond, self.rescale) if self.rescale else out), state


@dataclass(frozen=True, slots=True)
class Projected:
    """APG: guidance across the picture, not along it (Sadat et al. 2025, alg. 1), in x0.

    The difference of the rows keeps a running mean of strength `momentum` (negative: it damps),
    is cut to the norm `radius` (0: not at all), and loses its part along cond's x0 but for the
    share `parallel`. momentum 0, radius 0 and parallel 1 are classifier-free guidance.
    """

    scale: float = 5.0
    interval: tuple[float, float] = (0.0, 1.0)
    momentum: float = -0.5
    radius: float = 15.0
    parallel: float = 0.0

    space = "x0"

    def rows(self, share: float) -> tuple[str, ...]:
        """As classifier-free guidance."""
        return ClassifierFree(self.scale, interval=self.interval).rows(share)

    def combine(self, raw: Mapping[str, Tensor], state: Any = None) -> tuple[Tensor, Any]:
        """Guided x0 (B, C, H, W) from the rows' x0, and the running difference."""
        if len(raw) == 1:
            return next(iter(raw.values())), state
        cond = raw["cond"]
        gap = cond - raw["uncond"]
        if state is not None:
            gap = gap + self.momentum * state
        state = gap
        dims = tuple(range(1, cond.dim()))
        if self.radius > 0.0:
            norm = gap.square().sum(dims, keepdim=True).sqrt()
            gap = gap * (self.radius / norm.clamp(min=1e-12)).clamp(max=1.0)
        unit = cond / cond.square().sum(dims, keepdim=True).sqrt().clamp(min=1e-12)
        along = (gap * unit).sum(dims, keepdim=True) * unit
        return cond + (self.scale - 1.0) * (gap - (1.0 - self.parallel) * along), state


def guided(
    guidance: Guidance,
    kind: str,
    raw: Mapping[str, Tensor],
    x: Tensor,
    level: Level,
    state: Any = None,
) -> tuple[Tensor, Tensor, Any]:
    """(x0, eps, state) of a run's rows, each (B, C, H, W), combined where the guidance wants."""
    if guidance.space == "raw":
        one, state = guidance.combine(raw, state)
        return *to_x0_eps(kind, one, x, level), state
    x0s = {name: to_x0_eps(kind, each, x, level)[0] for name, each in raw.items()}
    x0, state = guidance.combine(x0s, state)
    return *to_x0_eps("x0", x0, x, level), state


def classified(
    x0: Tensor, eps: Tensor, level: Level, gradient: Tensor, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Classifier guidance by eps: eps - sigma·s·∇log p(y|x_t) (Dhariwal & Nichol 2021, alg. 2).

    x0 moves so that x stays the same. For DDPM put s·∇log p(y|x_t) into `Answer.grad` instead:
    it shifts the mean by Σ times that (alg. 1). Raises ValueError where alpha is 0.
    """
    if level.blind:
        raise ValueError("a classifier cannot guide where alpha is 0")
    push = (level.sigma * scale) * gradient
    return x0 + (level.sigma / level.alpha) * push, eps - push


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
    """The guidance of a recipe; `rescale` counts for "cfg" and "auto" alone.

    Raises ValueError for a kind that there is not.
    """
    if kind not in GUIDANCES:
        raise ValueError(f"the guidance {kind!r} is not known")
    return GUIDANCES[kind](float(scale), float(rescale), tuple(interval))


GUIDANCES: dict[str, Callable[..., Guidance]] = {
    "none": lambda scale, rescale, interval: Unguided(),
    "embedded": lambda scale, rescale, interval: Unguided(),  # the network is told the scale
    "cfg": lambda scale, rescale, interval: ClassifierFree(scale, rescale, interval),
    "auto": lambda scale, rescale, interval: ClassifierFree(scale, rescale, interval, "weak"),
    "apg": lambda scale, rescale, interval: Projected(scale, interval),
}
