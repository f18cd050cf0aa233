"""The driver of one run: every question goes to one denoiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studio.diffusion.prediction import to_x0_eps
from studio.diffusion.samplers.ask import Answer, Ask, Run


def solve(run: Run, denoise: Callable[[Ask], Answer]) -> Any:
    """Answer a sampler's questions until it returns; its final state."""
    try:
        ask = next(run)
        while True:
            ask = run.send(denoise(ask))
    except StopIteration as end:
        return end.value


def answering(network: Callable[[Any, float], Any], kind: str) -> Callable[[Ask], Answer]:
    """A denoiser from a network (x, t) -> raw output of the given prediction kind."""

    def denoise(ask: Ask) -> Answer:
        x0, eps = to_x0_eps(kind, network(ask.x, ask.level.t), ask.x, ask.level)
        return Answer(ask.x, x0, eps)

    return denoise
