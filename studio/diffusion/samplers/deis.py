"""DEIS: an Adams method that integrates the exponential exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.variable import adams

if TYPE_CHECKING:
    from torch import Tensor

FEW = 15  # below this many steps the order falls towards the end, as diffusers has it


def deis(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise, order: int = 3) -> Run:
    """DEIS in log-ρ (Zhang & Chen 2023, sec. 3.2), ρ = sigma_k.

    x'/alpha' = x/alpha + ∫ eps dρ, eps a polynomial in u = ln ρ through the last `order`
    answers, so dρ = e^u du. Of first order in the first step and in one that ends clean.
    """
    past: list[tuple[float, Tensor]] = []  # newest last
    count = len(levels) - 1
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        x = there.alpha * a.x0 + there.sigma * a.eps
        if here.blind or here == there:
            continue
        u = math.log(here.sigma_k)
        past = [*past, (u, a.eps)][-order:]
        allowed = min(order, count - step) if count < FEW else order
        if there.clean or allowed < 2:
            continue
        used = past[-allowed:]
        weights = adams([p for p, _ in used], u, math.log(there.sigma_k), rate=1.0)
        for weight, (_, old) in zip(weights[:-1], used[:-1], strict=True):
            x = x + (there.alpha * here.sigma_k * float(weight)) * (old - a.eps)
    return x
