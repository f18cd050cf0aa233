"""Noise that belongs to a path through time, not to a step: for solvers of the reverse SDE.

With keyed noise a run of 20 steps and one of 40 shake in unrelated ways. Here both read the same
Brownian motion, so that more steps refine the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.diffusion.noise import KeyedNoise
from studio.diffusion.path import Level

FAR = 16.0  # half of log-SNR is taken between -FAR and FAR
DEPTH = 18  # halvings: intervals of 2·FAR/2^18 ≈ 1e-4


@dataclass(frozen=True, slots=True)
class BrownianNoise:
    """One Brownian motion W(λ) for each seed, λ half the log-SNR; called as keyed noise is.

    A step's noise is (W(λ') - W(λ))/√(λ' - λ): standard normal, independent between steps. The
    motion is a virtual tree (Li et al. 2020, sec. 4): midpoints are drawn from their own key
    when they are needed, so that nothing is stored and any number of steps may read it.
    """

    drawn: KeyedNoise
    levels: tuple[Level, ...]

    def first(self) -> Tensor:
        """The first state's noise: keyed noise's own."""
        return self.drawn.first()

    def __call__(self, step: int, stage: int = 0) -> Tensor:
        """(B, C, H, W) standard normal for this step; other stages get noise of their own.

        Raises ValueError for a step of no length.
        """
        if stage > 0:
            return self.drawn(step, stage)
        low, high = (_lam(lv) for lv in self.levels[step : step + 2])
        if not low < high:
            raise ValueError("a step of no length has no noise")
        return (self.at(high) - self.at(low)) / math.sqrt(high - low)

    def keep(self, indices: Sequence[int]) -> BrownianNoise:
        """The same motions for some of the pictures, in the given order."""
        return BrownianNoise(self.drawn.keep(indices), self.levels)

    def at(self, lam: float) -> Tensor:
        """W(lam) - W(-FAR), (B, C, H, W); between the tree's finest nodes it is a line."""
        left, right = -FAR, FAR
        w_left = torch.zeros_like(self.drawn(0, -1))
        w_right = math.sqrt(2 * FAR) * self.drawn(0, -1)
        node = 1  # the root; its children are 2·node and 2·node + 1
        for _ in range(DEPTH):
            middle = 0.5 * (left + right)
            bridge = 0.5 * math.sqrt(right - left) * self.drawn(node, -2)
            w_middle = 0.5 * (w_left + w_right) + bridge
            if lam < middle:
                right, w_right, node = middle, w_middle, 2 * node
            else:
                left, w_left, node = middle, w_middle, 2 * node + 1
        share = (lam - left) / (right - left)
        return w_left + share * (w_right - w_left)


def _lam(level: Level) -> float:
    return min(max(0.5 * level.logsnr, -FAR), FAR)
