"""EDM's stochastic sampler: noise is added, and a Heun step takes more of it away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.heun import heun_step

if TYPE_CHECKING:
    from torch import Tensor


def edm(
    x: Tensor,
    path: Path,
    levels: Sequence[Level],
    *,
    noise: Noise,
    churn: float = 20.0,
    low: float = 0.05,
    high: float = 50.0,
    swell: float = 1.003,
) -> Run:
    """EDM's stochastic sampler (Karras et al. 2022, alg. 2), VP-scaled.

    While sigma_k ∈ [low, high], it is raised by γ = min(churn/steps, √2 - 1) with fresh noise,
    `swell` times as strong (the paper's S_churn, S_tmin, S_tmax and S_noise), and the question
    is asked there. churn = 0 is Heun's method.
    """
    count = len(levels) - 1
    for step, (here, there) in enumerate(pairwise(levels)):
        gamma = min(churn / count, math.sqrt(2.0) - 1.0) if low <= here.sigma_k <= high else 0.0
        if gamma > 0.0 and here != there:
            raised = path.at(here.logsnr - 2.0 * math.log1p(gamma))
            fresh = math.sqrt(gamma * (2.0 + gamma)) * here.sigma_k * swell
            x = (raised.alpha / here.alpha) * x + (raised.alpha * fresh) * noise(step, 0)
            here = raised
        a = yield Ask(x, here, step)
        x = yield from heun_step(a, path, here, there, step)
    return x
