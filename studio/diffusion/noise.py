"""Keyed noise: what is drawn depends on (seed, step, stage), never on what was drawn before.

Drawn on the CPU in float32, so that a seed means the same picture on every device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class KeyedNoise:
    """The noise of a run: one seed for each picture, shape (C, H, W) each.

    Picture k of a batch draws what it would draw alone. Calling it gives the noise of a step.
    """

    seeds: tuple[int, ...]
    shape: tuple[int, ...]

    def __init__(self, seeds: Sequence[int], shape: Sequence[int]) -> None:
        object.__setattr__(self, "seeds", tuple(int(s) for s in seeds))
        object.__setattr__(self, "shape", tuple(int(n) for n in shape))

    def first(self) -> Tensor:
        """(B, C, H, W): what `torch.Generator().manual_seed(seed)` draws first, so that other
        programs that start from a seed start from the same noise."""
        return torch.stack([self._draw(seed % 2**64) for seed in self.seeds])

    def __call__(self, step: int, stage: int = 0) -> Tensor:
        """(B, C, H, W) standard normal for this step and stage."""
        return torch.stack([self._draw(key(seed, step, stage)) for seed in self.seeds])

    def keep(self, indices: Sequence[int]) -> KeyedNoise:
        """The same noise for some of the pictures, in the given order."""
        return KeyedNoise([self.seeds[i] for i in indices], self.shape)

    def _draw(self, key: int) -> Tensor:
        generator = torch.Generator().manual_seed(key if key < 2**63 else key - 2**64)
        return torch.randn(self.shape, generator=generator, dtype=torch.float32)


def key(seed: int, step: int, stage: int) -> int:
    """64 bits from the three numbers, the same on every machine and in every release."""
    text = f"{seed}/{step}/{stage}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
