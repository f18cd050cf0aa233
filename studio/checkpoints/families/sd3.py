"""Stable Diffusion 3 and 3.5 (Esser et al. 2024): MMDiT on the straight flow, three text encoders.

The context is both CLIPs side by side, padded to T5's width, and T5's after them; the pooled
vectors of the CLIPs join the time. Without T5 its place holds zeros, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
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

TOKENS = 256  # of T5


class StableDiffusion3:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    variance = "fixed_small"

    def __init__(self, entry: Entry, device: str, progress: Progress) -> None:
        from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel

        self.entry, self.device = entry, device
        path = from_config(read_json(entry.folder / "scheduler" / "scheduler_config.json"))
        self.path = path.sized(*entry.latent[1:])
        self.prediction = kind_of(entry.prediction)
        progress("reading the text encoders", 0.1)
        self.clips = tuple(TextEncoder(entry.folder, device, suffix) for suffix in ("", "_2"))
        self.t5 = T5(entry.folder, device, "_3", TOKENS) if entry.options["t5"] else None
        progress("reading the transformer", 0.5)
        self.network = network(entry, "transformer", SD3Transformer2DModel, device)
        progress("reading the autoencoder", 0.8)
        pictures = Autoencoder(entry, device)
        self.latent, self.tiny = pictures.latent, pictures.tiny
        self.decode, self.embed = pictures.decode, pictures.embed
        encoders = [clip.bytes for clip in self.clips] + [self.t5.bytes if self.t5 else 0]
        self.bytes = size(self.network) + pictures.bytes + sum(encoders)

    def encode(self, asked: Asked) -> Condition:
        each = [clip.penultimate(asked.text) for clip in self.clips]
        short = torch.cat([states for states, _ in each], 1)  # (77, D1 + D2)
        width = self.entry.options["context"]
        long = torch.zeros(TOKENS, width, device=self.device)
        if self.t5 is not None:
            long = self.t5.context(asked.text)
        context = torch.cat([F.pad(short, (0, width - short.shape[1])), long])
        return {"context": context, "pooled": torch.cat([pooled for _, pooled in each])}

    @property
    def encoders(self) -> dict[str, Any]:
        """What reads the text, by part."""
        long = {"text_encoder_3": self.t5} if self.t5 else {}
        return {"text_encoder": self.clips[0], "text_encoder_2": self.clips[1], **long}

    def said(self, prompt: str) -> tuple[Said, ...]:
        """What stands at each place of the context: the CLIPs' tokens, then T5's or none."""
        nothing = (Said("", "padding", "T5"),) * TOKENS
        return (
            *self.clips[0].said(prompt, "CLIP"),
            *(self.t5.said(prompt, "T5") if self.t5 else nothing),
        )

    @torch.no_grad()
    def predict(
        self,
        x: Tensor,
        t: Sequence[float],
        conditions: Conditions,
        residuals: Residuals | None = None,
    ) -> Tensor:
        return self.network(
            x,
            encoder_hidden_states=conditions["context"],
            pooled_projections=conditions["pooled"],
            timestep=torch.tensor(t, dtype=torch.float32, device=x.device),
            block_controlnet_hidden_states=(residuals or {}).get("joint"),
            return_dict=False,
        )[0]

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        return ()

    def known(self, prompt: str) -> bool:
        return True

    def notes(self, prompt: str) -> tuple[str, ...]:
        said = []
        unread = (self.t5 or self.clips[0]).unread(prompt)
        if unread:
            said.append(
                f"The prompt's last {unread} tokens were not read: it is too long for this model."
            )
        if self.t5 is None and prompt.strip():
            said.append("This checkpoint is here without T5; long or spelled-out prompts suffer.")
        return tuple(said)


def load(
    entry: Entry, device: str, progress: Progress, others: dict[str, Entry]
) -> StableDiffusion3:
    """A Stable Diffusion 3 from its folder; raises BadCheckpoint with a sentence."""
    return StableDiffusion3(entry, device, progress)
