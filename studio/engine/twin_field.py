"""What answers the twin's questions: a mixture's exact denoiser, guided or not, and what it should
draw from. Every function is of (B, 2) in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.diffusion import schedules
from studio.diffusion.guidance import classified
from studio.diffusion.mixture import Mixture
from studio.diffusion.path import Level, Path, flow, ve, vp
from studio.diffusion.samplers.ask import Answer, Ask
from studio.diffusion.twins import TWINS, Twin
from studio.errors import BadRequest
from studio.twinning import Steering

NEAR = 1e-3  # below this sigma eps is taken from the score: there is nothing left to divide by
TRIES = 400  # rounds of rejection sampling before a target is given up


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A mixture in classes and how it is steered."""

    twin: Twin
    steering: Steering
    mine: Mixture  # the class that is steered towards

    @property
    def guided(self) -> bool:
        """Whether steering changes anything."""
        return self.steering.kind != "none"

    def pair(self, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        """(x0, eps), guided: the two ways of guidance are one here, the classifier being exact."""
        x0, eps = of(self.twin.all, x, level)
        s = self.steering
        if s.kind == "cfg":
            there = of(self.mine, x, level)
            x0, eps = x0 + s.scale * (there[0] - x0), eps + s.scale * (there[1] - eps)
        elif s.kind == "classifier" and not level.blind:  # where x is noise it says nothing of y
            pull = self.twin.class_gradient(x, level, s.label)
            x0, eps = classified(x0, eps, level, pull, s.scale)
        return x0, eps

    def answer(self, ask: Ask, by_mean: bool = False) -> Answer:
        """To a sampler. `by_mean`: guidance by a classifier as a gradient, for DDPM's mean."""
        if by_mean and self.steering.kind == "classifier":
            x0, eps = of(self.twin.all, ask.x, ask.level)
            pull = self.twin.class_gradient(ask.x, ask.level, self.steering.label)
            return Answer(ask.x, x0, eps, grad=self.steering.scale * pull)
        return Answer(ask.x, *self.pair(ask.x, ask.level))

    def draw(self, count: int, seed: int) -> Tensor:
        """(count, 2) true samples: of the data, or of p(x)·p(label | x)^scale, by rejection.

        Raises BadRequest where that target is too thin to be drawn from.
        """
        generator = torch.Generator().manual_seed(seed)
        if not self.guided:
            return self.twin.all.draw(count, generator)
        kept: list[Tensor] = []
        mine = self.twin.labels == self.steering.label
        for _ in range(TRIES):
            x = self.twin.all.draw(4 * count, generator)
            chance = self.twin.all.shares(x)[:, mine].sum(1).log()
            luck = torch.rand(len(x), generator=generator, dtype=x.dtype).log()
            kept.append(x[luck < self.steering.scale * chance])
            if sum(map(len, kept)) >= count:
                return torch.cat(kept)[:count]
        raise BadRequest(
            "Hardly anything is left of this density at so large a scale; take a smaller one."
        )


def of(data: Mixture, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """(x0, eps) of a mixture at any level, clean ones too."""
    x0 = data.x0(x, level)
    if level.sigma > NEAR:
        return x0, (x - level.alpha * x0) / level.sigma
    return x0, -level.sigma * data.marginal(level).score(x)


def field(data: str, steering: Steering) -> Field:
    """Raises BadRequest for a mixture, or a class, that there is not."""
    if data not in PLANES:
        raise BadRequest(
            f"There is no mixture “{str(data)[:40]}”; choose one of {', '.join(PLANES)}."
        )
    twin = TWINS[data]()
    if steering.kind != "none" and not 0 <= steering.label < len(twin.classes):
        raise BadRequest(f"This mixture has the classes 0 to {len(twin.classes) - 1} only.")
    label = steering.label if steering.kind != "none" else 0
    return Field(twin, steering, twin.only(label))


def path_of(name: str) -> Path:
    """The path of a lane."""
    return _PATHS[name]()


def stretch(kind: str) -> Callable[[Level], float]:
    """√(alpha² + sigma²) of a path by its kind, at a level of the circle."""
    return _STRETCHES[kind]


def _exploding(level: Level) -> float:
    return 1.0 / level.alpha if level.alpha > 0.0 else math.inf


PLANES = tuple(name for name, make in TWINS.items() if make().all.means.shape[1] == 2)
_PATHS: dict[str, Callable[[], Path]] = {
    "vp_linear": lambda: vp(schedules.linear()),
    "vp_cosine": lambda: vp(schedules.cosine()),
    "ve": lambda: ve(80.0),
    "flow": lambda: flow(),
}
_STRETCHES: dict[str, Callable[[Level], float]] = {
    "vp": lambda level: 1.0,
    "flow": lambda level: 1.0 / (level.alpha + level.sigma),
    "ve": _exploding,
}
