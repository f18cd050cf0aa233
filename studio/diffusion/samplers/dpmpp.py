"""DPM-Solver++: exponential integrators in x0, over half the log-SNR."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.ddim import ratio

if TYPE_CHECKING:
    from torch import Tensor

FEW = 15  # below this many steps the authors end with a step of first order


def dpmpp_2m(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """DPM-Solver++ 2M, midpoint (Lu et al. 2022b, alg. 2): one evaluation a step, order 2.

    x' = (sigma'/sigma)·x + alpha'(1 - e^(-h))·D with D = x0 + h/(2·h_before)·(x0 - x0_before),
    h the step in λ = logsnr/2. Of first order in the first step, in one that ends clean, and in
    the last of fewer than 15.
    """
    before, h_before = None, 0.0
    last = len(levels) - 2
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        h = 0.5 * (there.logsnr - here.logsnr)
        D = a.x0
        low = there.clean or (step == last and last + 1 < FEW)
        if before is not None and h_before > 0.0 and not low:
            D = a.x0 + (0.5 * h / h_before) * (a.x0 - before)
        x = (there.sigma / here.sigma) * a.x + (there.alpha * (1.0 - ratio(here, there))) * D
        before, h_before = a.x0, h
    return x
