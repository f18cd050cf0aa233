"""What a run leaves behind: x_t and x̂0 of every accepted step, in half precision.

All recordings share one byte budget. When it is full the oldest finished one goes; while all of
them go on, the largest keeps every second step, then every fourth, and so on, and always its
newest. `Level.step` says which steps they are.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import torch

from studio.contract import Level

HALF_MAX = 65504.0


class Recording:
    """The states of one run. Written by the worker, read by anybody."""

    def __init__(self) -> None:
        self.levels: list[Level] = []
        self.xt: list[torch.Tensor] = []  # (B, C, H, W) float16, CPU
        self.x0: list[torch.Tensor] = []
        self.bytes = 0
        self.finished = False
        self.freed = False
        self._stride = 1

    def add(self, level: Level, xt: torch.Tensor, x0: torch.Tensor) -> None:
        """Keep a step; the one before it goes if thinning leaves it out."""
        if self.freed:
            return
        if self.levels and self.levels[-1].step % self._stride:
            self._keep(range(len(self.levels) - 1))
        self.levels.append(level)
        self.xt.append(_half(xt))
        self.x0.append(_half(x0))
        self.bytes += _bytes(self.xt[-1]) + _bytes(self.x0[-1])

    def keep_first(self) -> None:
        """Drop every picture but the first."""
        self.xt = [x[:1].clone() for x in self.xt]
        self.x0 = [x[:1].clone() for x in self.x0]
        self._count()

    def thin(self) -> None:
        """Drop every second step but the newest; of two, the older."""
        self._stride *= 2
        newest = len(self.levels) - 1
        on = [k for k, level in enumerate(self.levels[:-1]) if level.step % self._stride == 0]
        self._keep([*on, newest] if newest > 1 else [newest])

    def free(self) -> None:
        """Drop everything."""
        self.levels, self.xt, self.x0 = [], [], []
        self.bytes, self.freed = 0, True

    def _keep(self, places: Sequence[int]) -> None:
        self.levels = [self.levels[k] for k in places]
        self.xt, self.x0 = [self.xt[k] for k in places], [self.x0[k] for k in places]
        self._count()

    def _count(self) -> None:
        self.bytes = sum(map(_bytes, self.xt)) + sum(map(_bytes, self.x0))


class Shelf:
    """Every recording there is, oldest first, under one budget in bytes."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._recordings: list[Recording] = []
        self._lock = threading.Lock()

    def new(self) -> Recording:
        """An empty recording on the shelf."""
        recording = Recording()
        with self._lock:
            self._recordings.append(recording)
        return recording

    @property
    def bytes(self) -> int:
        """What all recordings take now."""
        with self._lock:
            return sum(r.bytes for r in self._recordings)

    def fit(self, growing: Recording) -> None:
        """Make room after `growing` has grown."""
        with self._lock:
            while sum(r.bytes for r in self._recordings) > self._budget:
                done = [r for r in self._recordings if r.finished and r is not growing]
                going = [r for r in (growing, *self._recordings) if len(r.levels) > 1]
                if done:
                    done[0].free()
                    self._recordings.remove(done[0])
                elif going:
                    max(going, key=lambda r: r.bytes).thin()
                else:
                    return

    def drop(self, recording: Recording) -> None:
        """Free one recording; idempotent."""
        with self._lock:
            recording.free()
            if recording in self._recordings:
                self._recordings.remove(recording)


def eps(xt: torch.Tensor, x0: torch.Tensor, level: Level) -> torch.Tensor:
    """ε̂ = (x_t − α x̂0) / σ, float32; zero at the clean end."""
    if level.sigma <= 0:
        return torch.zeros_like(xt, dtype=torch.float32)
    return (xt.float() - level.alpha * x0.float()) / level.sigma


def _half(x: torch.Tensor) -> torch.Tensor:
    return x.detach().clamp(-HALF_MAX, HALF_MAX).to("cpu", torch.float16, copy=True)


def _bytes(x: torch.Tensor) -> int:
    return x.numel() * np.dtype(np.float16).itemsize
