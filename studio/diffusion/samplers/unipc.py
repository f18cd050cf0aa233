"""UniPC: a predictor whose next answer corrects it, at no further cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.ask import Ask, Noise, Run
from studio.diffusion.samplers.ddim import ratio

if TYPE_CHECKING:
    from torch import Tensor

Past = list[tuple[float, "Tensor"]]  # (half the log-SNR, x0), newest last


def unipc(x: Tensor, path: Path, levels: Sequence[Level], *, noise: Noise, order: int = 2) -> Run:
    """UniPC-p with B(h) = e^(-h) - 1 in x0 (Zhao et al. 2023, alg. 5-6, "bh2").

    Each answer first corrects the state it was asked at, then predicts the next one. The order
    falls to 1 at the end. An edit of the asked state is kept on top of the correction.
    """
    past: Past = []
    count = len(levels) - 1
    used, base, before = 0, x, None  # of the last prediction: its order, start and level
    for step, (here, there) in enumerate(pairwise(levels)):
        a = yield Ask(x, here, step)
        now = a.x
        if before is not None:
            now = _step(base, past, before, here, used, a.x0)
            now = now if a.x is x else now + (a.x - x)
        if not here.blind:
            past = [*past, (0.5 * here.logsnr, a.x0)][-order:]
        if here == there or here.blind:
            x = there.alpha * a.x0 + there.sigma * a.eps
            before = None
            continue
        used = min(order, count - step, len(past))
        base, before = now, here
        x = _step(base, past, here, there, used)
    return x


def _step(
    x: Tensor, past: Past, here: Level, there: Level, order: int, ahead: Tensor | None = None
) -> Tensor:
    """From x at `here`: predicted, or corrected where `ahead` is the answer at `there`."""
    lam, m0 = past[-1]
    q = ratio(here, there)
    plain = (there.sigma / here.sigma) * x + (there.alpha * (1.0 - q)) * m0
    if there.clean:
        return plain
    h = 0.5 * there.logsnr - lam
    others = [((old - lam) / h, m) for old, m in reversed(past[:-1])][: order - 1]
    nodes = [r for r, _ in others] + ([1.0] if ahead is not None else [])
    rho = _weights(nodes, h)
    for weight, (r, m) in zip(rho, others, strict=False):
        plain = plain + (there.alpha * (1.0 - q) * float(weight) / r) * (m - m0)
    if ahead is not None:
        plain = plain + (there.alpha * (1.0 - q) * float(rho[-1])) * (ahead - m0)
    return plain


def _weights(nodes: list[float], h: float) -> np.ndarray:
    """ρ with Σ_k ρ_k·r_k^(i-1) = i!·φ_{i+1}(-h)·h^…/B(h): (len(nodes),) (eq. 9-10)."""
    if len(nodes) < 2:
        return np.full(len(nodes), 0.5)  # the paper's choice, which keeps the order
    phi, rows, right = math.expm1(-h) / -h - 1.0, [], []
    factorial = 1.0
    for i in range(1, len(nodes) + 1):
        rows.append(np.power(nodes, i - 1))
        right.append(phi * factorial / math.expm1(-h))
        factorial *= i + 1
        phi = phi / -h - 1.0 / factorial
    return np.linalg.solve(np.array(rows), np.array(right))
