"""Denoisers that need no network: exact answers for data whose distribution is known.

A Gaussian mixture has its scores, posterior means and (in 1-D) its probability flow in closed
form; a finite set of pictures is the mixture whose components have no width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.diffusion.path import Level
from studio.diffusion.samplers.ask import Answer, Ask


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Σ_k w_k N(means_k, diag(variances_k)): weights (K,), means and variances (K, D).

    Weights sum to 1, variances may be 0. States are (B, D), in the mixture's own dtype.
    """

    weights: Tensor
    means: Tensor
    variances: Tensor

    def marginal(self, level: Level) -> Mixture:
        """The distribution of x_t = alpha·x0 + sigma·eps: again a mixture."""
        variances = level.alpha**2 * self.variances + level.sigma**2
        return Mixture(self.weights, level.alpha * self.means, variances)

    def log_parts(self, x: Tensor) -> Tensor:
        """ln w_k N(x; …): (B, K). Raises ValueError where a variance is 0."""
        if not bool((self.variances > 0).all()):
            raise ValueError("a component without width has no density")
        gap = x[:, None, :] - self.means
        square = (gap * gap / self.variances).sum(-1)
        log_det = self.variances.log().sum(-1) + x.shape[1] * math.log(2 * math.pi)
        return self.weights.log() - 0.5 * (square + log_det)

    def shares(self, x: Tensor) -> Tensor:
        """P(component | x): (B, K). The squares are multiplied out, so that it is two products of
        matrices: fifteen times as fast as `log_parts`, and as exact while variances are ≥ 1e-6."""
        precision = 1.0 / self.variances
        square = (self.means.square() * precision).sum(1) + self.variances.log().sum(1)
        logits = x @ (self.means * precision).T - 0.5 * (x.square() @ precision.T)
        return (logits + self.weights.log() - 0.5 * square).softmax(1)

    def log_density(self, x: Tensor) -> Tensor:
        """ln p(x): (B,)."""
        return self.log_parts(x).logsumexp(1)

    def score(self, x: Tensor) -> Tensor:
        """∇ ln p(x): (B, D)."""
        parts, precision = self.shares(x), 1.0 / self.variances
        return parts @ (self.means * precision) - x * (parts @ precision)

    def x0(self, x: Tensor, level: Level) -> Tensor:
        """E[x0 | x_t = x]: (B, D), the answer of a perfect network."""
        noisy = self.marginal(level)
        parts = noisy.shares(x)
        gain = level.alpha * self.variances / noisy.variances
        return parts @ (self.means - gain * noisy.means) + x * (parts @ gain)

    def answer(self, ask: Ask) -> Answer:
        """The exact answer to a sampler's question."""
        x0 = self.x0(ask.x, ask.level)
        return Answer(ask.x, x0, (ask.x - ask.level.alpha * x0) / ask.level.sigma)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` samples (count, D)."""
        chosen = torch.multinomial(self.weights, count, True, generator=generator)
        eps = torch.randn((count, self.means.shape[1]), generator=generator, dtype=self.means.dtype)
        return self.means[chosen] + self.variances[chosen].sqrt() * eps

    def cdf(self, x: Tensor) -> Tensor:
        """P(X ≤ x) of a mixture in one dimension: (B,) for x (B, 1)."""
        z = (x[:, None, 0] - self.means[:, 0]) / self.variances[:, 0].sqrt()
        return (torch.special.ndtr(z) * self.weights).sum(1)

    def flow(self, x: Tensor, here: Level, there: Level) -> Tensor:
        """Where the probability flow carries x (B, 1), exactly: in one dimension it keeps every
        quantile, so that F_there(x') = F_here(x). Bisection in float64, to the last bit."""
        return _invert(self.marginal(there), self.marginal(here).cdf(x)).to(x.dtype)


def mixture(weights: object, means: object, deviations: object) -> Mixture:
    """A Mixture in float64 from lists: means (K, D), deviations (K,) or (K, D)."""
    w, m, s = (torch.as_tensor(v, dtype=torch.float64) for v in (weights, means, deviations))
    s = s[:, None] if s.dim() == 1 else s
    return Mixture(w / w.sum(), m, s.square().expand_as(m).clone())


def ideal_x0(
    x: Tensor, alpha: Tensor | float, sigma: Tensor | float, pictures: Tensor, log_weights: Tensor
) -> Tensor:
    """The best denoiser of a finite set: Σ softmax(ln w_i - ‖x - alpha·y_i‖²/2sigma²)_i·y_i.

    x (R, C, H, W), VP-scaled; pictures (N, C, H, W); log_weights (N,) or (R, N), unnormalised,
    -inf to leave one out; alpha and sigma numbers or one for each row. Computed in the dtype of
    `pictures` (float64 keeps ties between near pictures right), returned in that of x.
    Raises ValueError where sigma is 0.
    """
    Y = pictures.flatten(1)  # (N, D)
    a = torch.as_tensor(alpha, dtype=Y.dtype, device=Y.device).reshape(-1, 1)
    s = torch.as_tensor(sigma, dtype=Y.dtype, device=Y.device).reshape(-1, 1)
    if bool((s <= 0).any()):
        raise ValueError("the ideal denoiser needs noise: sigma is 0")
    inner = x.flatten(1).to(Y.dtype) @ Y.T  # ‖x‖² is common to all and falls out
    logits = (a * inner - 0.5 * a * a * Y.square().sum(1)) / (s * s)
    share = (logits + log_weights.to(Y.dtype)).softmax(1)
    return (share @ Y).reshape(x.shape[0], *pictures.shape[1:]).to(x.dtype)


def _invert(target: Mixture, share: Tensor) -> Tensor:
    spread = 40.0 * target.variances.sqrt().max()
    low = (target.means.min() - spread).expand_as(share).clone()
    high = (target.means.max() + spread).expand_as(share).clone()
    for _ in range(80):
        middle = 0.5 * (low + high)
        under = target.cdf(middle[:, None]) < share
        low, high = torch.where(under, middle, low), torch.where(under, high, middle)
    return (0.5 * (low + high))[:, None]
