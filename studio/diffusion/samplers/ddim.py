"""DDIM, and what is the same thing under another name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run

if TYPE_CHECKING:
    from torch import Tensor


def ratio(here: Level, there: Level) -> float:
    """q = sigma_k(there)/sigma_k(here) = e^(-h), the share of eps that survives the posterior."""
    return (there.sigma * here.alpha) / (there.alpha * here.sigma)


def ddim(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise, eta: float = 0.0) -> Run:
    """DDIM (Song et al. 2021, eq. 12 and 16), on any path.

    η = 0 is deterministic: Euler on the probability-flow ODE, in sigma_k or on the straight
    flow alike, since x' = alpha'·x0 + sigma'·eps in both (k-diffusion's Euler, flow Euler).
    η = 1 draws from the posterior q(x'|x, x0). The paper's α is ᾱ = alpha²; its σ² is
    η²·sigma'²·(1 - q²) here, which holds for any alpha and sigma.
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        fresh = eta * math.sqrt(max(1.0 - ratio(here, there) ** 2, 0.0))
        x = there.alpha * a.x0 + (there.sigma * math.sqrt(1.0 - fresh * fresh)) * a.eps
        if fresh * there.sigma > 0.0:
            x = x + (there.sigma * fresh) * noise(step, 0)
    return x


def euler(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """Euler's method on the probability flow: k-diffusion's in sigma_k, SD3's on the flow.

    Both are x' = alpha'·x0 + sigma'·eps, which is DDIM at η = 0; kept for those who look for it.
    """
    return (yield from ddim(x, path, levels, noise=noise))


def euler_ancestral(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """Euler ancestral (k-diffusion's `sample_euler_ancestral`), VP-scaled.

    In sigma_k it steps down to σ_down = σ'²/σ and adds σ_up = σ'·√(1 - σ'²/σ²): DDIM at η = 1
    in other words, and it is written as that. Scaled so, it has no singular start.
    """
    return (yield from ddim(x, path, levels, noise=noise, eta=1.0))
