"""Multistep consistency sampling: jump to the end, noise again, from less each time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run

if TYPE_CHECKING:
    from torch import Tensor

SIGMA_DATA = 0.5
TIME_SCALE = 10.0


def lcm(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """Latent consistency (Luo et al. 2023, alg. 3): x' = alpha'·f(x, t) + sigma'·z.

    f = c_skip·x + c_out·x0 with σ_d = 0.5 and time scaled by 10, so that f is x itself at t = 0.
    It draws from the data only where x0 is the *end of the flow*, as in a distilled network; a
    posterior mean makes it blur. The last step is f without noise, wherever the run ends.
    """
    last = len(levels) - 2
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        if here == there:
            continue
        t = TIME_SCALE * here.t
        norm = t * t + SIGMA_DATA * SIGMA_DATA
        x = (t / norm**0.5) * a.x0 + (SIGMA_DATA * SIGMA_DATA / norm) * a.x
        if step < last:
            x = there.alpha * x + there.sigma * noise(step, 0)
    return x
