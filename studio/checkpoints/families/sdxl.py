"""Stable Diffusion XL and its refiner (Podell et al. 2023): two encoders, a pooled vector, sizes.

The UNet attends to the layer before the last of both encoders, side by side, and is told the
second's pooled vector and six numbers: how large the picture was, where it was cut out, how large
it is to be. The refiner has the second encoder alone and takes a score for the last pair.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Progress
from studio.checkpoints.conditions import Asked, Condition, Conditions
from studio.checkpoints.entry import Entry
from studio.checkpoints.families.sd import StableDiffusion, source


class StableDiffusionXL(StableDiffusion):
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    def _read_texts(self, source: Any) -> tuple[Any, ...]:
        suffixes = ("", "_2") if self.entry.options["first"] else ("_2",)
        return tuple(source.text(suffix) for suffix in suffixes)

    def encode(self, asked: Asked) -> Condition:
        """context (T, D), pooled (P,) and told (6,), or (5,) for a network that takes a score.

        Without a negative prompt the first two are zeros, where the pipeline has them so.
        """
        read = [text.penultimate(asked.text, asked.pieces) for text in self.texts]
        states, pooled = zip(*read, strict=True)
        context = torch.cat(states, dim=-1)
        if asked.negative and not asked.text and self.entry.options["zeros"]:
            context, pooled = torch.zeros_like(context), (torch.zeros_like(pooled[-1]),)
        told = {"pooled": pooled[-1], "told": self._told(asked)}
        return {"context": context, **told, **self.strength(asked)}

    def _told(self, asked: Asked) -> Tensor:
        """Heights before widths, as the network was trained: original, crop, target or score."""
        own = asked.size if any(asked.size) else (self.entry.size,) * 2
        original = asked.original if any(asked.original) else own
        target = asked.target if any(asked.target) else own
        last = (asked.score,) if self.entry.options["scored"] else target[::-1]
        numbers = (*original[::-1], *asked.crop[::-1], *last)
        return torch.tensor(numbers, dtype=torch.float32, device=self.device)

    def added(self, conditions: Conditions) -> dict[str, Tensor]:
        return {"text_embeds": conditions["pooled"], "time_ids": conditions["told"]}


def load(entry: Entry, device: str, progress: Progress, others: dict) -> StableDiffusionXL:
    """A folder or file of XL or its refiner; raises BadCheckpoint with a sentence."""
    return StableDiffusionXL(entry, device, progress, source(entry, device))
