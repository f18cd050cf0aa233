"""What networks are trained to make small. Each gives one number for each picture: (B,).

A network's target is `prediction.from_x0_eps`. Which times are drawn is `densities.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.special import ndtr

from studio.diffusion.forward import normal_kl, posterior, prior_kl
from studio.diffusion.path import Level
from studio.diffusion.prediction import kind_of

HALF_BIN = 1.0 / 255.0  # pictures of 256 values between -1 and 1
BITS = math.log(2.0)


def simple(predicted: Tensor, target: Tensor, norm: str = "l2") -> Tensor:
    """L_simple: the mean squared ("l2") or absolute ("l1") error (Ho et al. 2020, eq. 14)."""
    if norm not in ("l1", "l2"):
        raise ValueError(f"the norm {norm!r} is not known")
    gap = predicted - target
    return (gap.abs() if norm == "l1" else gap.square()).flatten(1).mean(1)


def score_matching(score: Tensor, eps: Tensor, level: Level) -> Tensor:
    """Denoising score matching, weighted by sigma²: mean (sigma·score + eps)².

    Vincent 2011, with the weight of Song & Ermon 2019, eq. 5-6. Equal to the eps objective.
    """
    return (level.sigma * score + eps).square().flatten(1).mean(1)


def flow_matching(u: Tensor, x0: Tensor, eps: Tensor) -> Tensor:
    """Conditional flow matching on the straight path: mean (u - (eps - x0))² (Liu et al. 2023)."""
    return (u - (eps - x0)).square().flatten(1).mean(1)


def elbo_prior(x0: Tensor, level: Level) -> Tensor:
    """L_T in bits per value: KL(q(x_T|x0) ‖ N(0, I)) (Ho et al. 2020, eq. 5)."""
    return prior_kl(x0, level) / (BITS * x0[0].numel())


def elbo_step(
    x0: Tensor,
    guess: Tensor,
    x: Tensor,
    here: Level,
    there: Level,
    variance: Tensor | float | None = None,
) -> Tensor:
    """L_{t-1} in bits per value: KL of the posterior given x0 to the step taken with `guess`.

    `variance` is the step's own Σ where it is not the posterior's. Raises ValueError where
    `there` is clean: that step is `elbo_decoder`'s.
    """
    if there.clean:
        raise ValueError("the step that ends clean is the decoder's term")
    mean, var = posterior(x0, x, here, there)
    taken, _ = posterior(guess, x, here, there)
    own = mean.new_full((), var)
    step = own if variance is None else torch.as_tensor(variance, dtype=own.dtype)
    return normal_kl(mean, own, taken, step).flatten(1).mean(1) / BITS


def elbo_weight(here: Level, there: Level) -> float:
    """w in L_{t-1} = w·‖x0 - x̂0‖² nats with the posterior's variance: (SNR' - SNR)/2.

    Kingma et al. 2021, eq. 14. For an error in eps divide by SNR at `here`.
    """
    return 0.5 * (there.snr - here.snr)


def elbo_decoder(x0: Tensor, mean: Tensor, deviation: Tensor | float) -> Tensor:
    """L_0 in bits per value: -log2 of N(mean, deviation²)'s mass on x0's bin of 256.

    x0 ∈ [-1, 1] on the grid of 8-bit values; the outermost bins reach to infinity
    (Ho et al. 2020, eq. 13).
    """
    gap = x0 - mean
    upper = ndtr((gap + HALF_BIN) / deviation).masked_fill(x0 > 1.0 - HALF_BIN, 1.0)
    lower = ndtr((gap - HALF_BIN) / deviation).masked_fill(x0 < -1.0 + HALF_BIN, 0.0)
    return -(upper - lower).clamp(min=1e-12).log2().flatten(1).mean(1)


def min_snr(level: Level, kind: str, gamma: float = 5.0) -> float:
    """The Min-SNR-γ weight of a loss in this prediction (Hang et al. 2023, sec. 3.4).

    min(SNR, γ) of an error in x0: over SNR in eps, over SNR + 1 in v. Raises ValueError for others.
    """
    kept = min(level.snr, gamma)
    kind = kind_of(kind)
    if kind == "x0":
        return kept
    if kind == "eps":
        return 1.0 if level.snr <= gamma else kept / level.snr
    if kind == "v":
        return kept / (level.snr + 1.0)
    raise ValueError(f"no Min-SNR weight is published for {kind}")
