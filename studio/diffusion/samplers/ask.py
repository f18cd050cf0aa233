"""What a sampler asks and what it is told. It never calls a network itself.

A sampler yields an Ask and is sent an Answer; whoever drives it decides how the question is
answered, and with whose questions it shares a forward.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.diffusion.path import Level

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Ask:
    """What is under the noise of x (B, C, H, W) at this level?

    `stage` 0 marks an accepted state: these alone become steps, recordings and edits. The inner
    questions of a method have stage ≥ 1. Every Ask counts as one evaluation.
    """

    x: Tensor
    level: Level
    step: int
    stage: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """x = alpha·x0 + sigma·eps, each (B, C, H, W).

    At stage 0 a sampler goes on from `x`, which an edit may have replaced. `var` is the
    network's raw range coefficient in [-1, 1], where it learned one. `parts` are further
    answers to be shown (conditional, unconditional x0). `grad` is ∇_x of what a guided mean
    follows.
    """

    x: Tensor
    x0: Tensor
    eps: Tensor
    var: Tensor | None = None
    parts: Any = None
    grad: Tensor | None = None


Run = Generator[Ask, Answer, Any]  # a sampler at work; it returns its final state
Noise = Callable[[int, int], Any]  # (step, stage) -> (B, C, H, W) standard normal
