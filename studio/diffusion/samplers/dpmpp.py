"""DPM-Solver++: exponential integrators in x0 over λ, half the log-SNR."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.ddim import ratio
from studio.diffusion.samplers.variable import adams

if TYPE_CHECKING:
    from torch import Tensor

FEW = 15  # below this many steps the authors end with steps of lower order


def dpmpp_2m(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """DPM-Solver++ 2M, midpoint (Lu et al. 2022b, alg. 2): one evaluation a step, order 2.

    x' = (sigma'/sigma)·x + alpha'(1 - e^(-h))·D with D = x0 + h/(2·h_before)·(x0 - x0_before),
    h the step in λ. Of first order in the first step, in one that ends clean, and in the last of
    fewer than 15.
    """
    return (yield from _midpoint(x, levels))


def dpmpp_2m_sde(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """DPM-Solver++ 2M for the reverse SDE, midpoint (Lu et al. 2022b, app. E).

    As 2M, with e^(-2h) where that has e^(-h) and the posterior's noise in every step. Its steps
    of first order are DDPM's.
    """
    return (yield from _midpoint(x, levels, noise))


def dpmpp_3m_sde(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """DPM-Solver++ 3M for the reverse SDE: x0 is a parabola in λ through three answers.

    x' = (sigma'/sigma)q·x + 2·alpha'·∫ e^(-2(h-u))·x0(u) du + noise, integrated exactly (Lu et
    al. 2022b, app. B and E; k-diffusion's `sample_dpmpp_3m_sde` weighs the curvature by half).
    The second step is 2M SDE's.
    """
    past: list[tuple[float, Tensor]] = []  # (λ, x0), newest last
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        h = 0.5 * (there.logsnr - here.logsnr)
        D = a.x0
        if not here.blind and h > 0.0:
            past = [*past, (0.5 * here.logsnr, a.x0)][-3:]
            known = min(len(past), _room(levels, step))
            if known == 2:
                D = a.x0 + (0.5 * h / (past[-1][0] - past[-2][0])) * (a.x0 - past[-2][1])
            elif known == 3:
                lam, turn = past[-1][0], -math.expm1(-2.0 * h)
                weights = adams([node for node, _ in past], lam, lam + h, rate=2.0)
                for weight, (_, old) in zip(weights[:-1], past[:-1], strict=True):
                    D = D + (2.0 * (1.0 - turn) / turn * float(weight)) * (old - a.x0)
        x = _noised(a.x, D, here, there, noise, step)
    return x


def dpmpp_2s(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """DPM-Solver++ 2S, r = 1/2 (Lu et al. 2022b, alg. 1): two evaluations a step, order 2.

    The answer half way in λ carries the whole step. First order in a step that ends clean or
    starts where λ is infinite.
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        D = a.x0
        if not (there.clean or here.blind or here == there):
            middle = path.at(0.5 * (here.logsnr + there.logsnr))
            m = yield Ask(_moved(a.x, a.x0, here, middle), middle, step, stage=1)
            D = m.x0
        x = _moved(a.x, D, here, there)
    return x


def _midpoint(x: Tensor, levels: Sequence[Level], noise: Noise | None = None) -> Run:
    """The second-order walk of 2M: of the ODE, or with noise of the reverse SDE."""
    before, h_before = None, 0.0
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        h = 0.5 * (there.logsnr - here.logsnr)
        D = a.x0
        if before is not None and h_before > 0.0 and _room(levels, step) > 1:
            D = a.x0 + (0.5 * h / h_before) * (a.x0 - before)
        if noise is None:
            x = _moved(a.x, D, here, there)
        else:
            x = _noised(a.x, D, here, there, noise, step)
        before, h_before = a.x0, h
    return x


def _moved(x: Tensor, D: Tensor, here: Level, there: Level) -> Tensor:
    return (there.sigma / here.sigma) * x + (there.alpha * (1.0 - ratio(here, there))) * D


def _noised(x: Tensor, D: Tensor, here: Level, there: Level, noise: Noise, step: int) -> Tensor:
    q = ratio(here, there)
    x = (there.sigma / here.sigma * q) * x + (there.alpha * (1.0 - q * q)) * D
    if there.sigma > 0.0 and q < 1.0:
        x = x + (there.sigma * math.sqrt(1.0 - q * q)) * noise(step, 0)
    return x


def _room(levels: Sequence[Level], step: int) -> int:
    """The highest order that makes sense so close to the end."""
    left = len(levels) - 1 - step
    if levels[step + 1].clean:
        return 1
    return left if len(levels) - 1 < FEW else 3
