"""The forward process, its posterior, and how far Gaussians are from each other.

Pure arithmetic on whatever x0 and eps are (floats, arrays, tensors); the divergences need
tensors. A step's variance, fixed or learned, is `samplers.ddpm.deviation`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from studio.diffusion.path import Level
from studio.diffusion.prediction import Rows
from studio.diffusion.samplers.ddim import ratio

if TYPE_CHECKING:
    from torch import Tensor


def q_sample(x0: Any, level: Level | Rows, eps: Any) -> Any:
    """x_t ~ q(x_t | x0) = N(alpha·x0, sigma²): alpha·x0 + sigma·eps (Ho et al. 2020, eq. 4).

    Every x_t of a strip is made from the same x0; x_t is never fed back in.
    """
    return level.alpha * x0 + level.sigma * eps


def q_step(x: Any, here: Level, there: Level, eps: Any) -> Any:
    """x at the noisier level `there` from x at `here`: N(α·x, sigma'² - α²·sigma²).

    α = alpha'/alpha. Between neighbours √α_t·x_{t-1} + √β_t·ε (Ho et al. 2020, eq. 2).
    """
    alpha = there.alpha / here.alpha
    beta = there.sigma**2 - (alpha * here.sigma) ** 2
    return alpha * x + max(beta, 0.0) ** 0.5 * eps


def posterior(x0: Any, x: Any, here: Level, there: Level) -> tuple[Any, float]:
    """Mean and variance of q(x_there | x_here = x, x0), `there` the cleaner (eq. 6-7).

    Between neighbours this is μ̃_t, β̃_t. The variance is 0 where `there` is clean: clip it
    before taking a logarithm.
    """
    q = ratio(here, there)
    mean = there.alpha * (1.0 - q * q) * x0 + (there.sigma / here.sigma * q) * x
    return mean, there.sigma**2 * (1.0 - q * q)


def normal_kl(mean1: Tensor, var1: Tensor, mean2: Tensor, var2: Tensor) -> Tensor:
    """KL(N(mean1, var1) ‖ N(mean2, var2)) of every value, in nats; variances over 0."""
    return 0.5 * ((var2 / var1).log() + (var1 + (mean1 - mean2) ** 2) / var2 - 1.0)


def prior_kl(x0: Tensor, level: Level) -> Tensor:
    """KL(q(x_t | x0) ‖ N(0, I)) of each picture, in nats: (B,). What a run's start gives away.

    Raises ValueError at a clean level, where it is infinite.
    """
    if level.clean:
        raise ValueError("a picture without noise is infinitely far from N(0, I)")
    variance = level.sigma**2
    each = 0.5 * (variance + (level.alpha * x0) ** 2 - 1.0 - math.log(variance))
    return each.flatten(1).sum(1)
