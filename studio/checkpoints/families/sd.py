"""Stable Diffusion: a UNet with cross-attention on text, a VAE, a text encoder.

Stock diffusers classes, imported one by one (the pipelines package alone takes seconds). An
optional `preview/` holds an AutoencoderTiny, an optional `concepts.json` the names it was
trained on. Networks for inpainting read a mask and what is kept beside the state.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints import packed
from studio.checkpoints.checkpoint import Progress
from studio.checkpoints.concepts import Concepts
from studio.checkpoints.conditions import Asked, Condition, Conditions, Residuals, stack
from studio.checkpoints.entry import Entry
from studio.checkpoints.folder import Folder
from studio.checkpoints.parts import Autoencoder, size
from studio.checkpoints.single import SingleFile
from studio.checkpoints.spoken import Said
from studio.diffusion.path import from_config
from studio.diffusion.prediction import kind_of
from studio.errors import BadCheckpoint

log = logging.getLogger(__name__)


class StableDiffusion:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    variance = "fixed_small"

    def __init__(self, entry: Entry, device: str, progress: Progress, source: Any) -> None:
        """`source` hands out the parts: a Folder, or a file that holds them all."""
        self.entry, self.device = entry, device
        for part in entry.options.get("ignored", ()):
            log.info("%s: its %s is not read", entry.id, part.replace("_", " "))
        try:
            self.path = from_config(source.scheduler())
            self.prediction = kind_of(entry.prediction)
        except ValueError as error:
            raise BadCheckpoint(f"{entry.id} cannot be run: {error}.") from None
        progress("reading the text encoder", 0.1)
        self.texts = self._read_texts(source)
        self.text = self.texts[-1]
        progress("reading the UNet", 0.3)
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        self.unet = source.network("unet", UNet2DConditionModel)
        self.unet.to(memory_format=torch.channels_last)
        self.unet.fuse_qkv_projections()
        progress("reading the autoencoder", 0.7)
        pictures = Autoencoder(entry, device, source.network)
        self.vae, self.latent, self.tiny = pictures.vae, pictures.latent, pictures.tiny
        self.decode, self.embed = pictures.decode, pictures.embed
        self.bytes = size(self.unet) + pictures.bytes + sum(text.bytes for text in self.texts)
        self.inpaints = bool(entry.options.get("inpaints"))
        self._empty: Tensor | None = None
        concepts = Concepts(entry, self.text)
        self.nearest, self.known = concepts.nearest, concepts.known
        if packed.possible(device):
            self._pack()

    def _read_texts(self, source: Any) -> tuple[Any, ...]:
        return (source.text(),)

    def _pack(self) -> None:
        """Lay the weights out for the usual call: two rows, one picture, the trained size."""
        x = torch.zeros(2, *self.entry.latent)
        conditions = stack([self.encode(Asked())] * 2)
        packed.pack(self.unet, lambda: self.predict(x, [0.0, 0.0], conditions))

    def encode(self, asked: Asked) -> Condition:
        return {"context": self.text.hidden(asked.text, asked.pieces), **self.strength(asked)}

    def strength(self, asked: Asked) -> Condition:
        """Guidance's scale beyond 1, for a UNet that was distilled to take it; else nothing."""
        if not self.unet.config.time_cond_proj_dim:
            return {}
        beyond = asked.strength - 1.0 if asked.strength else 0.0
        return {"strength": torch.tensor(beyond, device=self.device)}

    @property
    def encoders(self) -> dict[str, Any]:
        """What reads the text, by part; a refiner of XL has the second alone."""
        parts = ("text_encoder", "text_encoder_2")
        count = len(self.texts)
        parts = parts[-count:] if self.entry.family == "sdxl" else parts[:count]
        return dict(zip(parts, self.texts, strict=True))

    def said(self, prompt: str) -> tuple[Said, ...]:
        """What stands at each place of the context; two encoders say the same at each."""
        return self.text.said(prompt)

    def pieces(self, prompt: str) -> int:
        """How many readings of its encoders hold the whole prompt."""
        return max(text.pieces(prompt) for text in self.texts)

    @torch.no_grad()
    def predict(
        self,
        x: Tensor,
        t: Sequence[float],
        conditions: Conditions,
        residuals: Residuals | None = None,
    ) -> Tensor:
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        if self.inpaints:
            x = torch.cat([x, self._beside(x, conditions)], 1)
        x = x.contiguous(memory_format=torch.channels_last)
        skips = (residuals or {}).get("skips", ())
        inside = list((residuals or {}).get("inside", ()))  # which the network empties
        return self.unet(
            x,
            times,
            encoder_hidden_states=conditions["context"],
            timestep_cond=self._guided(conditions),
            added_cond_kwargs=self.added(conditions),
            down_block_additional_residuals=skips[:-1] or None,
            mid_block_additional_residual=skips[-1] if skips else None,
            down_intrablock_additional_residuals=inside or None,
            return_dict=False,
        )[0]

    def added(self, conditions: Conditions) -> dict[str, Tensor] | None:
        """What the UNet is told beside the text."""
        return None

    def _guided(self, conditions: Conditions) -> Tensor | None:
        """(R, D): the strength as sines and cosines (Luo et al. 2023, after Kingma et al. 2021)."""
        if "strength" not in conditions:
            return None
        half, beyond = self.unet.config.time_cond_proj_dim // 2, conditions["strength"]
        k = torch.arange(half, dtype=torch.float32, device=beyond.device)
        falling = torch.exp(k * (-math.log(1e4) / (half - 1)))
        angles = 1000.0 * beyond[:, None] * falling
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def _beside(self, x: Tensor, conditions: Conditions) -> Tensor:
        """(R, 1 + C, H, W): the mask and what is kept; without a picture all is painted anew."""
        if "channels" in conditions:
            return conditions["channels"]
        if self._empty is None or self._empty.shape[2:] != x.shape[2:]:
            down = self.latent.down
            grey = self.embed(torch.zeros(1, 3, x.shape[2] * down, x.shape[3] * down))
            self._empty = torch.cat([torch.ones_like(grey[:, :1]), grey], 1)
        return self._empty.expand(len(x), -1, -1, -1)

    def notes(self, prompt: str) -> tuple[str, ...]:
        unread = self.text.unread(prompt)
        if not unread:
            return ()
        return (f"The prompt's last {unread} tokens were not read: it is too long for this model.",)


def load(entry: Entry, device: str, progress: Progress, others: dict) -> StableDiffusion:
    """A Stable Diffusion folder or file; raises BadCheckpoint with a sentence."""
    return StableDiffusion(entry, device, progress, source(entry, device))


def source(entry: Entry, device: str) -> Folder | SingleFile:
    """What hands out the checkpoint's parts."""
    return SingleFile(entry, device) if "single" in entry.options else Folder(entry, device)
