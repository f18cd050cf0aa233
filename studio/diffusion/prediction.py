"""What a network says, turned into the pair (x0, eps) and back: once, at the edge.

Works on anything with + - * / (tensors, arrays, floats). `level` is a Level, or Rows of them
for a batch whose rows sit at different levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.diffusion.path import Level

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """alpha and sigma of several rows, (R, 1, 1, …), to stand where one Level stands."""

    alpha: Tensor
    sigma: Tensor
    clean: bool  # any row is
    blind: bool  # any row is

    @staticmethod
    def of(levels: Sequence[Level], like: Tensor) -> Rows:
        """One level for each row of `like` (R, …), on its device and in its dtype."""
        import torch

        shape = (len(levels),) + (1,) * (like.dim() - 1)
        pair = torch.tensor([(lv.alpha, lv.sigma) for lv in levels], dtype=torch.float64)
        alpha, sigma = (c.reshape(shape).to(like.device, like.dtype) for c in pair.unbind(1))
        return Rows(alpha, sigma, any(lv.clean for lv in levels), any(lv.blind for lv in levels))


def kind_of(name: str) -> str:
    """The kind behind a name, diffusers' spellings included. Raises ValueError."""
    kind = NAMES.get(name, name)
    if kind not in KINDS:
        raise ValueError(f"the prediction {name!r} is not known")
    return kind


def to_x0_eps(kind: str, raw: Any, x: Any, level: Level | Rows) -> tuple[Any, Any]:
    """(x0, eps) such that x = alpha·x0 + sigma·eps.

    Raises ValueError where the prediction says nothing: eps and score at alpha = 0, x0 at
    sigma = 0. v and u are exact at both ends.
    """
    a, s = level.alpha, level.sigma
    kind = kind_of(kind)
    if kind in ("eps", "score") and level.blind:
        raise ValueError(f"{kind} says nothing of x0 where alpha is 0; use v or u")
    if kind == "eps":
        return (x - s * raw) / a, raw
    if kind == "score":  # score = -eps/sigma
        return (x + s * s * raw) / a, -s * raw
    if kind == "x0":
        if level.clean:
            raise ValueError("x0 says nothing of eps where sigma is 0")
        return raw, (x - a * raw) / s
    if kind == "v":  # v = alpha·eps - sigma·x0 (Salimans & Ho 2022, app. D)
        norm = a * a + s * s
        return (a * x - s * raw) / norm, (s * x + a * raw) / norm
    return (x - s * raw) / (a + s), (x + a * raw) / (a + s)  # u = eps - x0


def within(limit: float, x0: Tensor, eps: Tensor, x: Tensor, level: Level) -> tuple[Any, Any]:
    """x0 cut to ±limit and the eps that goes with it: how DDPM keeps to pictures' range."""
    if level.clean:
        return x0.clamp(-limit, limit), eps
    x0 = x0.clamp(-limit, limit)
    return x0, (x - level.alpha * x0) / level.sigma


def from_x0_eps(kind: str, x0: Any, eps: Any, level: Level | Rows) -> Any:
    """The raw output that means (x0, eps). Raises ValueError for the score at sigma = 0."""
    kind = kind_of(kind)
    if kind == "score":
        if level.clean:
            raise ValueError("the score is infinite where sigma is 0")
        return -eps / level.sigma
    if kind == "v":
        return level.alpha * eps - level.sigma * x0
    return {"eps": eps, "x0": x0, "u": eps - x0}[kind]


KINDS = ("eps", "x0", "v", "u", "score")
NAMES = {
    "epsilon": "eps",
    "sample": "x0",
    "v_prediction": "v",
    "flow": "u",
    "flow_prediction": "u",
}
