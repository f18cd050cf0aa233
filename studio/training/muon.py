"""Muon for matrices and convolution kernels, AdamW for the rest, one cosine schedule over both.

Muon (Jordan et al. 2024): the momentum of a matrix, orthogonalised by five Newton–Schulz steps, is
the update. On the few hundred thousand pictures that a CPU can afford it gets further than AdamW
alone.
"""

import math

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest semi-orthogonal matrix, roughly: singular values end up within about 0.7 … 1.2.

    matrix (rows, columns) float32. X ← p(XXᵀ)X with one polynomial p again and again; all these
    polynomials commute, so a matrix that is much wider than tall (a convolution kernel) is
    multiplied once, by their product.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm() + 1e-7)
    if x.shape[1] > 2 * x.shape[0]:
        gram, one = x @ x.mT, torch.eye(len(x), dtype=x.dtype, device=x.device)
        product = one
        for k in range(steps):
            p = a * one + torch.addmm(gram, gram, gram, beta=b, alpha=c)
            product = p @ product
            if k + 1 < steps:
                gram = p @ gram @ p
        x = product @ x
    else:
        for _ in range(steps):
            gram = x @ x.mT
            x = a * x + torch.addmm(gram, gram, gram, beta=b, alpha=c) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised; an update's spectral norm is about lr · max(1, √(rows /
    columns)).
    """

    def __init__(
        self,
        params,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        spread=map,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.spread = spread  # how to go over the matrices: `map`, or a pool's

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            list(self.spread(lambda weight, group=group: self._one(weight, group), group["params"]))

    @torch.no_grad()
    def _one(self, weight: torch.Tensor, group: dict) -> None:
        if weight.grad is None:
            return
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
        update = (weight.grad + group["momentum"] * momentum).flatten(1)
        rows, columns = update.shape
        update = orthogonal(update) * math.sqrt(max(1.0, rows / columns))
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update.view_as(weight), alpha=-group["lr"])


def is_matrix(name: str, weight: torch.Tensor) -> bool:
    """Whether Muon takes it: inner matrices and kernels; not biases, norms, embeddings, first and
    last layers.
    """
    inner = ("conv_in", "conv_out", "embeddings", "embedding_table", "pos_embed", "quant_conv")
    edge = any(part in name for part in inner) or name.startswith("proj_out")
    return weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) > 8 and not edge


def optimisers(
    model: nn.Module, lr: float, adam_lr: float, weight_decay: float = 0.0, spread=map
) -> list:
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    matrices = [p for n, p in named if is_matrix(n, p)]
    rest = [p for n, p in named if not is_matrix(n, p)]
    muon = [Muon(matrices, lr=lr, weight_decay=weight_decay, spread=spread)] if matrices else []
    return [*muon, torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)]


def cosine(step: int, total: int, warmup: int) -> float:
    """The learning rate's factor: up linearly over `warmup` steps, then half a cosine down to zero
    at `total`.
    """
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, total - warmup))))


def set_rates(optimiser_list: list, factor: float) -> None:
    for optimiser in optimiser_list:
        for group in optimiser.param_groups:
            group.setdefault("peak", group["lr"])
            group["lr"] = group["peak"] * factor
