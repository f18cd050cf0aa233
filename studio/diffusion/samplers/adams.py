"""Linear multistep methods: what was answered before is used again, one evaluation a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.variable import adams, place, scale, slope

if TYPE_CHECKING:
    from torch import Tensor

BASHFORTH = (  # newest first: Liu et al. 2022, eq. 12 and its first steps
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def lms(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise, order: int = 4) -> Run:
    """Adams-Bashforth with uneven steps over sigma_k (k-diffusion's `sample_lms`).

    The slopes of the last `order` steps are interpolated and integrated; on a flow over its own
    sigma. Its low-order first steps keep it from its nominal order.
    """
    past: list[tuple[float, Tensor]] = []  # newest last
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        s = place(path, here)
        x = there.alpha * a.x0 + there.sigma * a.eps
        if math.isinf(s) or here == there:
            continue
        past = [*past, (s, slope(path, a))][-order:]
        weights = adams([p for p, _ in past], s, place(path, there))
        reach = scale(path, there)
        for weight, (_, old) in zip(weights[:-1], past[:-1], strict=True):
            x = x + (reach * float(weight)) * (old - past[-1][1])  # the weights sum to the step
    return x


def plms(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise) -> Run:
    """PNDM's pseudo linear multistep (Liu et al. 2022, eq. 12), as Stable Diffusion uses it.

    Adams-Bashforth's constants for equal steps mix the last four eps; the mixture then takes a
    DDIM step. The first step asks twice and averages (pseudo improved Euler).
    """
    past: list[Tensor] = []  # newest first
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        past = [a.eps, *past][:4]
        x = there.alpha * a.x0 + there.sigma * a.eps
        if here.blind or here == there:
            continue
        turn = there.sigma - there.alpha * here.sigma_k  # what another eps changes
        if len(past) > 1:
            mixed = sum(w * eps for w, eps in zip(BASHFORTH[len(past) - 1], past, strict=True))
            x = x + turn * (mixed - a.eps)
        elif not there.clean:
            b = yield Ask(x, there, step, stage=1)
            x = x + (0.5 * turn) * (b.eps - a.eps)
    return x
