"""DDPM's ancestral sampling: a draw from the posterior, for any pair of levels.

Würstchen's step is this one with the fixed small variance, on its own schedule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.ddim import ratio

if TYPE_CHECKING:
    from torch import Tensor


def ddpm(
    x: Tensor,
    path: Path,
    levels: Sequence[Level],
    *,
    noise: Noise,
    variance: str = "fixed_small",
) -> Run:
    """DDPM (Ho et al. 2020, alg. 2): x' = μ̃(x, x0) + √Σ·z, and no noise in a step that ends clean.

    With q = sigma_k'/sigma_k the posterior's mean is alpha'(1 - q²)·x0 + (sigma'/sigma)q·x
    (eq. 7). `variance`: "fixed_small" β̃ = sigma'²(1 - q²), "fixed_large" β = sigma²(1 - q²)
    (sec. 3.2), "learned_range" between their logarithms by the network's coefficient
    (Nichol & Dhariwal 2021, eq. 15), "learned" with ln Σ itself as what the network says.
    Where an answer has a `grad`, the mean moves by Σ·grad (Dhariwal & Nichol 2021, alg. 1).
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        q = ratio(here, there)
        x = (there.alpha * (1.0 - q * q)) * a.x0 + (there.sigma / here.sigma * q) * a.x
        if there.sigma > 0.0 and q < 1.0:
            spread = deviation(here, there, variance, a.var)
            if a.grad is not None:
                x = x + (spread * spread) * a.grad
            x = x + spread * noise(step, 0)
    return x


def deviation(here: Level, there: Level, variance: str, var: Any = None) -> Any:
    """√Σ of a step that does not end clean: a float, or (B, C, H, W) where it is learned."""
    fresh = math.sqrt(1.0 - ratio(here, there) ** 2)
    small, large = there.sigma * fresh, here.sigma * fresh
    if variance == "fixed_small":
        return small
    if variance == "fixed_large":
        return large
    if var is None and variance in ("learned", "learned_range"):
        raise ValueError("this network has learned no variance; take a fixed one")
    if variance == "learned":
        return (0.5 * var).exp()
    if variance == "learned_range":
        share = 0.5 * (var + 1.0)
        return (share * math.log(large) + (1.0 - share) * math.log(small)).exp()
    raise ValueError(f"the variance {variance!r} is not known")
