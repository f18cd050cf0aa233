"""Walks that follow the score and shake: annealed Langevin, and predictor-corrector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.ddim import ratio

if TYPE_CHECKING:
    from torch import Tensor


def annealed_langevin(
    x: Tensor,
    path: Path,
    levels: Sequence[Level],
    *,
    noise: Noise,
    inner: int = 5,
    stride: float = 0.2,
) -> Run:
    """Annealed Langevin dynamics (Song & Ermon 2019, alg. 1): `inner` small steps at each level.

    In sigma_k: x ← x + (δ/2)·score + √δ·z with δ = stride·sigma_k², so with score = -eps/sigma_k
    it is x - (stride/2)·sigma·eps + √stride·sigma·z in any scaling. Between levels x/alpha stays
    as it is. A run that ends clean ends with the last answer's x0 (Jolicoeur-Martineau 2020).
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        for turn in range(inner):
            a = yield Ask(x, here, step, stage=turn)
            if here == there:
                continue
            x = a.x - (0.5 * stride * here.sigma) * a.eps
            x = x + (math.sqrt(stride) * here.sigma) * noise(step, turn)
        if there.clean:
            x = a.x0
        elif not here.blind:
            x = (there.alpha / here.alpha) * x
    return x


def predictor_corrector(
    x: Tensor,
    path: Path,
    levels: Sequence[Level],
    *,
    noise: Noise,
    snr: float = 0.16,
) -> Run:
    """Predictor-corrector (Song et al. 2021, alg. 2, 4): a Langevin step, then reverse diffusion.

    The corrector's step is δ = 2·(snr·‖z‖/‖score‖)², with each picture's own norms, whose
    quotient is kept under 2 (it is about 1 in a picture, anything in two dimensions). The
    predictor adds (sigma_k² - sigma_k'²)·score and as much variance; where the run ends clean it
    is its mean, and where sigma_k is infinite a draw from the posterior. Two evaluations a step.
    """
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        if here == there:
            continue
        z = noise(step, 0)
        dims = tuple(range(1, a.x.dim()))
        eps_norm = a.eps.square().sum(dims, keepdim=True).sqrt()
        z_norm = z.square().sum(dims, keepdim=True).sqrt()
        share = 2.0 * snr**2 * (z_norm / eps_norm).clamp(max=2.0) ** 2  # δ/sigma_k²
        x = a.x - (share * here.sigma) * a.eps + ((2.0 * share) ** 0.5 * here.sigma) * z
        b = yield Ask(x, here, step, stage=1)
        q = ratio(here, there)
        fresh = there.sigma if here.blind else there.alpha * here.sigma_k
        x = there.alpha * b.x0 + (there.sigma * q) * b.eps
        if not there.clean:
            x = x + (fresh * math.sqrt(1.0 - q * q)) * noise(step, 1)
    return x
