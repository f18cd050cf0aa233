"""Two evaluations a step: Heun's method and the midpoint method on the probability-flow ODE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Answer, Ask, Noise, Run
from studio.diffusion.samplers.variable import between, place, scale, slope

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
        x = yield from heun_step(a, path, here, there, step)
    return x


def heun_step(a: Answer, path: Path, here: Level, there: Level, step: int) -> Run:
    """From the answer at `here` to the state at `there`, with one more question on the way."""
    x = there.alpha * a.x0 + there.sigma * a.eps
    if _plain(path, here, there):
        return x
    b = yield Ask(x, there, step, stage=1)
    reach = scale(path, there) * (place(path, there) - place(path, here))
    return x + (0.5 * reach) * (slope(path, b) - slope(path, a))


def dpm2(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """The midpoint method (k-diffusion's `sample_dpm_2`, after Karras et al. 2022, alg. 2).

    The slope half way in ln(sigma_k) carries the whole step in sigma_k (half way in time on a
    flow). A step that ends clean, or starts where sigma_k is infinite, is Euler's.
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        x = there.alpha * a.x0 + there.sigma * a.eps
        if _plain(path, here, there):
            continue
        middle = between(path, here, there)
        m = yield Ask(middle.alpha * a.x0 + middle.sigma * a.eps, middle, step, stage=1)
        reach = scale(path, there) * (place(path, there) - place(path, here))
        x = x + reach * (slope(path, m) - slope(path, a))
    return x


def _plain(path: Path, here: Level, there: Level) -> bool:
    return there.clean or here == there or (here.blind and path.kind != "flow")
