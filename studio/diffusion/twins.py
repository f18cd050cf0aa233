"""Named mixtures on a line or a plane, in classes: data whose every answer is known exactly.

All live within about [-2, 2], so that N(0, 1) covers them. `TWINS` names them all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.diffusion.mixture import Mixture, mixture
from studio.diffusion.path import Level

Points = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """A mixture whose components belong to classes 0 … len(classes) - 1: labels (K,)."""

    all: Mixture
    labels: Tensor
    classes: tuple[str, ...]

    def only(self, label: int) -> Mixture:
        """The data of one class."""
        mine = self.labels == label
        weights = self.all.weights[mine]
        return Mixture(weights / weights.sum(), self.all.means[mine], self.all.variances[mine])

    def class_log_probability(self, x: Tensor, level: Level) -> Tensor:
        """ln p(class | x_t = x): (B, classes), what a perfect noise-aware classifier says."""
        parts = self.all.marginal(level).log_parts(x)
        each = [parts[:, self.labels == label].logsumexp(1) for label in range(len(self.classes))]
        return torch.stack(each, 1).log_softmax(1)

    def class_gradient(self, x: Tensor, level: Level, label: int) -> Tensor:
        """∇_x ln p(label | x_t = x), exactly: the class's score less the whole's. (B, D)."""
        return self.only(label).marginal(level).score(x) - self.all.marginal(level).score(x)


def humps() -> Twin:
    """Two unequal humps on a line."""
    return _twin([[(-1.0,)], [(0.8,)]], ("left", "right"), [0.3, 0.4], [0.4, 0.6])


def one() -> Twin:
    """One Gaussian, wider one way than the other: its flow has a closed form."""
    return _twin([[(0.0, 0.6)]], ("all",), [(0.62, 0.3)])


def pair() -> Twin:
    """Two unequal modes."""
    return _twin([[(-1.0, -0.4)], [(1.0, 0.5)]], ("left", "right"), [0.25, 0.35], [0.4, 0.6])


def moons(count: int = 24) -> Twin:
    """Two half circles that clasp each other."""
    turns = [math.pi * (i + 0.5) / count for i in range(count)]
    upper = [(math.cos(a) - 0.5, math.sin(a) - 0.25) for a in turns]
    lower = [(0.5 - math.cos(a), 0.25 - math.sin(a)) for a in turns]
    return _twin([upper, lower], ("upper", "lower"), 0.08)


def grid(side: int = 5) -> Twin:
    """25 narrow spots on a square; the classes are its rows."""
    ticks = [3.0 * i / (side - 1) - 1.5 for i in range(side)]
    names = tuple(f"row {i + 1}" for i in range(side))
    return _twin([[(u, v) for u in ticks] for v in ticks], names, 0.08)


def ring(count: int = 32) -> Twin:
    """A circle; the classes are its quarters."""
    turns = [2 * math.pi * (i + 0.5) / count for i in range(count)]
    points = [(1.4 * math.cos(a), 1.4 * math.sin(a)) for a in turns]
    quarter = count // 4
    parts = [points[i * quarter : (i + 1) * quarter] for i in range(4)]
    return _twin(parts, ("north-east", "north-west", "south-west", "south-east"), 0.1)


def spiral(count: int = 40) -> Twin:
    """Two arms that wind outwards from the middle."""
    steps = [(i + 1.0) / count for i in range(count)]
    arms = [
        [(1.7 * s * math.cos(7.0 * s + a), 1.7 * s * math.sin(7.0 * s + a)) for s in steps]
        for a in (0.0, math.pi)
    ]
    return _twin(arms, ("first arm", "second arm"), 0.06)


def pinwheel(arms: int = 5, count: int = 12) -> Twin:
    """Arms that are swept sideways, wider the further out."""
    steps = [0.25 + 0.75 * i / (count - 1) for i in range(count)]
    blades = []
    for k in range(arms):
        turns = [2 * math.pi * k / arms + 1.1 * (s - 0.25) for s in steps]
        blades.append(
            [
                (1.8 * s * math.cos(a), 1.8 * s * math.sin(a))
                for s, a in zip(steps, turns, strict=True)
            ]
        )
    names = tuple(f"arm {k + 1}" for k in range(arms))
    return _twin(blades, names, [0.05 + 0.09 * s for s in steps] * arms)


def letters(text: str = "xt") -> Twin:
    """Letters or digits written with dots; a class each. Known are those of STROKES."""
    parts, width = [], 1.6
    for i, letter in enumerate(text):
        left = (i - 0.5 * len(text)) * width
        parts.append([(left + 0.2 + 1.2 * u, 2.0 * v - 1.0) for u, v in _dots(STROKES[letter])])
    return _twin(parts, tuple(text), 0.06)


def _dots(strokes: Sequence[Sequence[tuple[float, float]]], gap: float = 0.08) -> Points:
    out: list[tuple[float, float]] = []
    for (u0, v0), (u1, v1) in strokes:
        count = max(2, round(math.hypot(u1 - u0, v1 - v0) / gap))
        shares = [i / (count - 1) for i in range(count)]
        out += [(u0 + s * (u1 - u0), v0 + s * (v1 - v0)) for s in shares]
    return out


def _twin(
    parts: Sequence[Points],
    classes: tuple[str, ...],
    deviation: float | Sequence[float] | Points,
    weights: Sequence[float] | None = None,
) -> Twin:
    points = [p for part in parts for p in part]
    labels = torch.tensor([i for i, part in enumerate(parts) for _ in part])
    deviations = [deviation] * len(points) if isinstance(deviation, float) else deviation
    return Twin(mixture(weights or [1.0] * len(points), points, deviations), labels, classes)


# fmt: off
STROKES = {  # in a box of width and height 1
    "2": [
        ((0.0, 0.75), (0.2, 1.0)), ((0.2, 1.0), (0.8, 1.0)), ((0.8, 1.0), (1.0, 0.75)),
        ((1.0, 0.75), (0.0, 0.0)), ((0.0, 0.0), (1.0, 0.0)),
    ],
    "7": [((0.0, 1.0), (1.0, 1.0)), ((1.0, 1.0), (0.35, 0.0))],
    "x": [((0.0, 0.0), (1.0, 1.0)), ((0.0, 1.0), (1.0, 0.0))],
    "t": [((0.5, 0.0), (0.5, 1.0)), ((0.0, 0.7), (1.0, 0.7))],
    "H": [((0.0, 0.0), (0.0, 1.0)), ((1.0, 0.0), (1.0, 1.0)), ((0.0, 0.5), (1.0, 0.5))],
    "I": [((0.5, 0.0), (0.5, 1.0))],
    "L": [((0.0, 1.0), (0.0, 0.0)), ((0.0, 0.0), (1.0, 0.0))],
    "T": [((0.0, 1.0), (1.0, 1.0)), ((0.5, 1.0), (0.5, 0.0))],
    "V": [((0.0, 1.0), (0.5, 0.0)), ((0.5, 0.0), (1.0, 1.0))],
    "N": [((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 0.0)), ((1.0, 0.0), (1.0, 1.0))],
}
# fmt: on
TWINS = {
    "humps": humps,
    "one": one,
    "pair": pair,
    "moons": moons,
    "grid25": grid,
    "ring": ring,
    "spiral": spiral,
    "pinwheel": pinwheel,
    "letters": letters,
    "digits": lambda: letters("27"),
}
