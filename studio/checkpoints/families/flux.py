"""FLUX (Black Forest Labs 2024): a flow transformer with rotary positions on packed states.

Two by two positions of a state make one token; the state itself stays unpacked. A network that
was distilled from a guided one takes the guidance's scale as an input beside the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Progress
from studio.checkpoints.conditions import Asked, Condition, Conditions, Residuals
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.parts import Autoencoder, network, size
from studio.checkpoints.spoken import Said
from studio.checkpoints.text import TextEncoder
from studio.checkpoints.text_t5 import T5
from studio.diffusion.path import from_config
from studio.diffusion.prediction import kind_of

STRENGTH = 3.5  # of guidance, where nobody says another


class Flux:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    variance = "fixed_small"

    def __init__(self, entry: Entry, device: str, progress: Progress) -> None:
        from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

        self.entry, self.device = entry, device
        path = from_config(read_json(entry.folder / "scheduler" / "scheduler_config.json"))
        self.path = path.sized(*entry.latent[1:])
        self.prediction = kind_of(entry.prediction)
        progress("reading the text encoders", 0.1)
        self.clip = TextEncoder(entry.folder, device)
        self.t5 = T5(entry.folder, device, "_2", entry.options["tokens"])
        progress("reading the transformer", 0.5)
        self.network = network(entry, "transformer", FluxTransformer2DModel, device)
        progress("reading the autoencoder", 0.8)
        pictures = Autoencoder(entry, device)
        self.latent, self.tiny = pictures.latent, pictures.tiny
        self.decode, self.embed = pictures.decode, pictures.embed
        self.bytes = size(self.network) + self.clip.bytes + self.t5.bytes + pictures.bytes

    def encode(self, asked: Asked) -> Condition:
        parts = {"context": self.t5.context(asked.text), "pooled": self.clip.pooled(asked.text)}
        if self.entry.options["guided"]:
            strength = asked.strength or STRENGTH
            parts["guidance"] = torch.tensor(strength, device=self.device)
        return parts

    @property
    def encoders(self) -> dict[str, Any]:
        """What reads the text, by part."""
        return {"text_encoder": self.clip, "text_encoder_2": self.t5}

    def said(self, prompt: str) -> tuple[Said, ...]:
        """What stands at each place of the context."""
        return self.t5.said(prompt)

    @torch.no_grad()
    def predict(
        self,
        x: Tensor,
        t: Sequence[float],
        conditions: Conditions,
        residuals: Residuals | None = None,
    ) -> Tensor:
        height, width = x.shape[2] // 2, x.shape[3] // 2
        context = conditions["context"]
        out = self.network(
            packed(x),
            encoder_hidden_states=context,
            pooled_projections=conditions["pooled"],
            timestep=torch.tensor(t, dtype=torch.float32, device=x.device) / self.path.T,
            img_ids=positions(height, width).to(x.device),
            txt_ids=torch.zeros(context.shape[1], 3, device=x.device),
            guidance=conditions.get("guidance"),
            controlnet_block_samples=(residuals or {}).get("joint"),
            controlnet_single_block_samples=(residuals or {}).get("single"),
            return_dict=False,
        )[0]
        return unpacked(out, height, width)

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        return ()

    def known(self, prompt: str) -> bool:
        return True

    def notes(self, prompt: str) -> tuple[str, ...]:
        unread = self.t5.unread(prompt)
        if not unread:
            return ()
        return (f"The prompt's last {unread} tokens were not read: it is too long for this model.",)


def packed(x: Tensor) -> Tensor:
    """(R, C, 2h, 2w) → (R, h·w, 4·C): the four positions of each square, channel by channel."""
    R, C, H, W = x.shape
    squares = x.reshape(R, C, H // 2, 2, W // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return squares.reshape(R, H * W // 4, 4 * C)


def unpacked(tokens: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `packed`, for height × width tokens."""
    R, _, D = tokens.shape
    squares = tokens.reshape(R, height, width, D // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return squares.reshape(R, D // 4, 2 * height, 2 * width)


def positions(height: int, width: int) -> Tensor:
    """(h·w, 3): 0, row and column of each token, for the rotary embedding."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], -1).reshape(-1, 3).float()


def load(entry: Entry, device: str, progress: Progress, others: dict[str, Entry]) -> Flux:
    """A FLUX from its folder; raises BadCheckpoint with a sentence."""
    return Flux(entry, device, progress)
