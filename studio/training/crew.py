"""Gradients by a crew of threads, each with its share of the batch and one core to itself.

A small network's operations are too short to be split over cores one by one: the threads wait for
each other hundreds of times a step, and on a machine that others use too, most of the time. Here
they wait once a step. Run with OMP_NUM_THREADS=1.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn


class Crew:
    """`workers` threads; 1 means the calling thread alone, with whatever threads torch has."""

    def __init__(self, workers: int = 1):
        self.workers = workers
        self.pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def map(self, function: Callable, items):
        return self.pool.map(function, items) if self.pool else map(function, items)

    def gradients(
        self, model: nn.Module, loss: Callable, *batch: torch.Tensor
    ) -> float | torch.Tensor:
        """Set every parameter's `.grad` to that of the mean of `loss(*share)` over equal shares;
        returns the mean loss. A GPU's stays there, so that nobody waits for it at every step.
        """
        weights = [p for p in model.parameters() if p.requires_grad]
        shares = list(zip(*(tensor.chunk(self.workers) for tensor in batch), strict=True))

        def one(share):
            value = loss(*share)
            part = len(share[0]) / len(batch[0])
            said = value.detach() if value.is_cuda else value.item()
            return said * part, torch.autograd.grad(value * part, weights, allow_unused=True)

        done = list(self.map(one, shares))
        for i, weight in enumerate(weights):
            parts = [grads[i] for _, grads in done if grads[i] is not None]
            weight.grad = sum(parts[1:], parts[0]) if parts else None
        return sum(value for value, _ in done)
