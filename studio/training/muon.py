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

    matrix (…, rows, columns) float32, of as many at once as there are. X ← p(XXᵀ)X with one
    polynomial p again and again; all these polynomials commute, so a matrix that is much wider than
    tall (a convolution kernel) is multiplied once, by their product.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    add = torch.addmm if x.ndim == 2 else torch.baddbmm
    if x.shape[-1] > 2 * x.shape[-2]:
        gram, one = x @ x.mT, torch.eye(x.shape[-2], dtype=x.dtype, device=x.device)
        product = one
        for k in range(steps):
            p = a * one + add(gram, gram, gram, beta=b, alpha=c)
            product = p @ product
            if k + 1 < steps:
                gram = p @ gram @ p
        x = product @ x
    else:
        for _ in range(steps):
            gram = x @ x.mT
            x = a * x + add(gram, gram, gram, beta=b, alpha=c) @ x
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
        together: bool = False,
    ):
        """`spread`: how to go over the matrices, `map` or a pool's. `together`: those of one shape
        at once, as a GPU likes it.
        """
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.spread, self.together = spread, together

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            given = [weight for weight in group["params"] if weight.grad is not None]
            list(self.spread(lambda some, group=group: self._move(some, group), self._parts(given)))

    def _parts(self, weights: list[torch.Tensor]) -> list[list[torch.Tensor]]:
        if not self.together:
            return [[weight] for weight in weights]
        parts: dict[torch.Size, list[torch.Tensor]] = {}
        for weight in weights:
            parts.setdefault(weight.flatten(1).shape, []).append(weight)
        return list(parts.values())

    @torch.no_grad()
    def _move(self, weights: list[torch.Tensor], group: dict) -> None:
        """One step of matrices of one shape."""
        updates = [self._update(weight, group) for weight in weights]
        rows, columns = updates[0].shape
        factor = math.sqrt(max(1.0, rows / columns))
        made = orthogonal(torch.stack(updates)) if len(updates) > 1 else [orthogonal(updates[0])]
        for weight, update in zip(weights, made, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_((update * factor).view_as(weight), alpha=-group["lr"])

    def _update(self, weight: torch.Tensor, group: dict) -> torch.Tensor:
        """The momentum, moved on, and where Nesterov looks: (rows, columns)."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
        return (weight.grad + group["momentum"] * momentum).flatten(1)


def is_matrix(name: str, weight: torch.Tensor) -> bool:
    """Whether Muon takes it: inner matrices and kernels; not biases, norms, embeddings, first and
    last layers.
    """
    inner = ("conv_in", "conv_out", "embeddings", "embedding_table", "pos_embed", "quant_conv")
    edge = any(part in name for part in inner) or name.startswith("proj_out")
    return weight.ndim >= 2 and min(weight.shape[0], weight[0].numel()) > 8 and not edge


def optimisers(
    model: nn.Module,
    lr: float,
    adam_lr: float,
    weight_decay: float = 0.0,
    spread=map,
    together: bool = False,
) -> list:
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    matrices = [p for n, p in named if is_matrix(n, p)]
    rest = [p for n, p in named if not is_matrix(n, p)]
    how = {"weight_decay": weight_decay, "spread": spread, "together": together}
    muon = [Muon(matrices, lr=lr, **how)] if matrices else []
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
