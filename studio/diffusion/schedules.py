"""Noise schedules: ᾱ_t at t = 0 … T-1 in float64, and the shift of a flow's times.

`betas`, `snr` and `logsnr` read a table. numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Table = np.ndarray  # (T,) float64


def alphas_bar(betas: Table) -> Table:
    """ᾱ_t = Π_{s ≤ t} (1 - β_s)."""
    return np.cumprod(1.0 - np.asarray(betas, np.float64))


def betas(alphas_bar: Table) -> Table:
    """β_t = 1 - ᾱ_t/ᾱ_{t-1}, with ᾱ_{-1} = 1: the inverse of `alphas_bar`."""
    a = np.asarray(alphas_bar, np.float64)
    return 1.0 - a / np.concatenate([[1.0], a[:-1]])


def linear(T: int = 1000, start: float = 1e-4, end: float = 0.02) -> Table:
    """β linear in t (Ho et al. 2020, sec. 4). The ends are meant for T = 1000."""
    return alphas_bar(np.linspace(start, end, T, dtype=np.float64))


def scaled_linear(T: int = 1000, start: float = 0.00085, end: float = 0.012) -> Table:
    """√β linear in t: Stable Diffusion's (Rombach et al. 2022, its configuration)."""
    return alphas_bar(np.linspace(math.sqrt(start), math.sqrt(end), T, dtype=np.float64) ** 2)


def cosine(T: int = 1000, max_beta: float = 0.999) -> Table:
    """ᾱ(t) ∝ cos²((t/T + 0.008)/1.008·π/2), β capped (Nichol & Dhariwal 2021, eq. 17)."""
    s = (np.arange(T + 1, dtype=np.float64) / T + 0.008) / 1.008
    bar = np.cos(s * math.pi / 2) ** 2
    return alphas_bar(np.minimum(1.0 - bar[1:] / bar[:-1], max_beta))


def sigmoid(T: int = 1000, start: float = 1e-4, end: float = 0.02) -> Table:
    """β along a logistic curve from -6 to 6 (GeoDiff's; Xu et al. 2022, as diffusers has it)."""
    return alphas_bar(start + (end - start) / (1.0 + np.exp(-np.linspace(-6.0, 6.0, T))))


def wuerstchen(T: int = 1000, s: float = 0.008) -> Table:
    """ᾱ(t) ∝ cos²((t + s)/(1 + s)·π/2) at t = 1/T … 1, within [1e-4, 0.9999].

    Würstchen's networks take t itself (Pernias et al. 2023); the cut makes its ends flat.
    """
    t = np.arange(1, T + 1, dtype=np.float64) / T
    bar = np.cos((t + s) / (1 + s) * math.pi / 2) ** 2 / math.cos(s / (1 + s) * math.pi / 2) ** 2
    return np.clip(bar, 1e-4, 0.9999)


def snr(bar: Table) -> Table:
    """ᾱ/(1 - ᾱ)."""
    return np.asarray(bar, np.float64) / (1.0 - np.asarray(bar, np.float64))


def logsnr(bar: Table) -> Table:
    """ln SNR; -inf where ᾱ is 0."""
    with np.errstate(divide="ignore"):
        return np.log(snr(bar))


def respaced(bar: Table, keep: Sequence[int]) -> Table:
    """ᾱ at the kept times alone: a shorter process that passes the same levels.

    Its betas are 1 - ᾱ_k/ᾱ_(k-1) over the kept ones (Nichol & Dhariwal 2021, sec. 4).
    """
    return np.asarray(bar, np.float64)[np.asarray(keep)]


def shifted(s: float, shift: float) -> float:
    """A flow's sigma s ∈ [0, 1] moved towards noise: shift·s/(1 + (shift - 1)·s).

    It adds 2·ln(shift) to the noise-to-data log-ratio (Esser et al. 2024, eq. 23).
    """
    return shift * s / (1.0 + (shift - 1.0) * s)


def resolution_shift(
    tokens: int, low: tuple[int, float] = (256, 0.5), high: tuple[int, float] = (4096, 1.15)
) -> float:
    """The shift e^μ for a picture of so many tokens, μ linear between two (tokens, μ) points.

    The defaults are FLUX's; Esser et al. 2024 (eq. 23) take √(tokens/256) instead.
    """
    (n0, m0), (n1, m1) = low, high
    return math.exp(m0 + (m1 - m0) * (tokens - n0) / (n1 - n0))


def zero_terminal_snr(bar: Table) -> Table:
    """Shift and scale √ᾱ so that it ends at 0 and begins where it did (Lin et al. 2023, alg. 1)."""
    root = np.sqrt(np.asarray(bar, np.float64))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return root**2


def from_config(config: Mapping[str, Any]) -> Table:
    """ᾱ of a diffusers scheduler's configuration; its own defaults where a key is missing."""
    name = config.get("beta_schedule", "linear")
    T = int(config.get("num_train_timesteps", 1000))
    if config.get("trained_betas") is not None:
        bar = alphas_bar(np.asarray(config["trained_betas"], np.float64))
    elif name == "squaredcos_cap_v2":
        bar = cosine(T)
    elif name in ("linear", "scaled_linear", "sigmoid"):
        start, end = config.get("beta_start", 1e-4), config.get("beta_end", 0.02)
        bar = SCHEDULES[name](T, float(start), float(end))
    else:
        raise ValueError(f"the beta schedule {name!r} is not known")
    return zero_terminal_snr(bar) if config.get("rescale_betas_zero_snr") else bar


SCHEDULES: dict[str, Callable[..., Table]] = {
    "linear": linear,
    "scaled_linear": scaled_linear,
    "cosine": cosine,
    "sigmoid": sigmoid,
    "wuerstchen": wuerstchen,
}
