"""Heun's method on the probability-flow ODE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run

if TYPE_CHECKING:
    from torch import Tensor


def heun(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """Heun's second-order step (Karras et al. 2022, alg. 1), two evaluations each.

    It depends on the variable of integration: sigma_k with slope eps, states divided by alpha
    (as diffusers' Heun), but on a flow its own sigma with slope u = eps - x0. States stay
    VP-scaled outside. A step that ends clean, or starts where sigma_k is infinite, is Euler's.
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        x = there.alpha * a.x0 + there.sigma * a.eps
        if there.clean or here == there or (here.blind and path.kind != "flow"):
            continue
        b = yield Ask(x, there, step, stage=1)
        if path.kind == "flow":
            x = x + (0.5 * (there.sigma - here.sigma)) * ((b.eps - b.x0) - (a.eps - a.x0))
        else:
            x = x + (0.5 * there.alpha * (there.sigma_k - here.sigma_k)) * (b.eps - a.eps)
    return x
