"""Stable Diffusion's layout: a UNet with cross-attention on text, a VAE, a text encoder.

Stock diffusers classes, imported one by one (the pipelines package alone takes seconds). An
optional `preview/` holds an AutoencoderTiny, an optional `concepts.json` the names it was
trained on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from studio.checkpoints import packed
from studio.checkpoints.checkpoint import Latent, Progress
from studio.checkpoints.conditions import Asked, Condition, Conditions, stack
from studio.checkpoints.entry import MAX_JSON, Entry, read_json
from studio.checkpoints.similar import Captions
from studio.checkpoints.text import TextEncoder
from studio.diffusion.path import from_config
from studio.diffusion.prediction import kind_of
from studio.errors import BadCheckpoint

MAX_CONCEPTS, MAX_NAME = 20_000, 200  # names, and letters in one
KNOWN = 0.5  # cosine to the nearest concept from which a prompt counts as known


class _Tiny(nn.Module):
    """The preview decoder of an AutoencoderTiny, on states as the UNet has them."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.scale = whole.config.scaling_factor or 1.0
        self.decoder = whole.decoder

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return self.decoder((x / self.scale).contiguous(memory_format=torch.channels_last))


class StableDiffusion:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    variance = "fixed_small"

    def __init__(self, entry: Entry, device: str, progress: Progress) -> None:
        self.entry, self.device = entry, device
        scheduler = read_json(entry.folder / "scheduler" / "scheduler_config.json")
        try:
            self.path = from_config(scheduler)
            self.prediction = kind_of(entry.prediction)
        except ValueError as error:
            raise BadCheckpoint(f"{entry.id} cannot be run: {error}.") from None
        progress("reading the text encoder", 0.1)
        self.text = TextEncoder(entry.folder, device)
        progress("reading the UNet", 0.3)
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
        from diffusers.utils import logging

        logging.disable_progress_bar()
        self.unet = self._component(UNet2DConditionModel, "unet")
        self.unet.fuse_qkv_projections()
        progress("reading the autoencoder", 0.7)
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        self.vae = self._component(AutoencoderKL, "vae")
        config = self.vae.config
        self.latent = Latent(
            channels=config.latent_channels,
            down=2 ** (len(config.block_out_channels) - 1),
            scale=config.scaling_factor or 1.0,
            shift=config.shift_factor or 0.0,
        )
        self.tiny = self._preview() if (entry.folder / "preview").is_dir() else None
        parts = (self.unet, self.vae)
        self.bytes = self.text.bytes + sum(
            p.numel() * p.element_size() for part in parts for p in part.parameters()
        )
        self._names = _concepts(entry)
        self._captions: Captions | None = None
        if packed.possible(device):
            self._pack()

    def _component(self, kind: Any, part: str) -> nn.Module:
        """One network from its folder: safetensors, float32, checked for NaN and infinity."""
        folder = self.entry.folder / part
        try:
            made = kind.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, torch_dtype=torch.float32
            )
        except RuntimeError as error:  # weights that do not fit the configuration
            raise ValueError(f"its {part} does not fit its configuration") from error
        for name, p in made.named_parameters():
            if not bool(torch.isfinite(p).all()):
                raise BadCheckpoint(f"{self.entry.id}/{part}: {name} holds NaN or infinity.")
        made = made.to(self.device).eval().requires_grad_(False)
        return made.to(memory_format=torch.channels_last)

    def _pack(self) -> None:
        """Lay the weights out for the usual call: two rows, one picture, the trained size."""
        x = torch.zeros(2, *self.entry.latent)
        conditions = stack([self.encode(Asked())] * 2)
        packed.pack(self.unet, lambda: self.predict(x, [0.0, 0.0], conditions))
        packed.pack(self.vae, lambda: self.decode(x[:1]))
        if self.tiny is not None:
            packed.pack(self.tiny, lambda: self.tiny(x[:1]))

    def _preview(self) -> nn.Module:
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

        return _Tiny(self._component(AutoencoderTiny, "preview"))

    def encode(self, asked: Asked) -> Condition:
        return {"context": self.text.hidden(asked.text)}

    @torch.no_grad()
    def predict(self, x: Tensor, t: Sequence[float], conditions: Conditions) -> Tensor:
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        x = x.contiguous(memory_format=torch.channels_last)
        context = conditions["context"]
        return self.unet(x, times, encoder_hidden_states=context, return_dict=False)[0]

    @torch.no_grad()
    def decode(self, x: Tensor, tiled: bool = False) -> Tensor:
        self.vae.use_tiling = tiled
        x = x / self.latent.scale + self.latent.shift
        x = x.contiguous(memory_format=torch.channels_last)
        return self.vae.decode(x, return_dict=False)[0]

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        pictures = pictures.to(self.device).contiguous(memory_format=torch.channels_last)
        mean = self.vae.encode(pictures).latent_dist.mean
        return (mean - self.latent.shift) * self.latent.scale

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        """From `concepts.json`, a list of names; nothing where the checkpoint has none."""
        if self._captions is None:
            rows = self.text.embeddings(self._names) if self._names else None
            self._captions = Captions(self._names, rows)
        if not prompt.strip() or self._captions.rows is None:
            return ()
        return self._captions.nearest(self.text.embedding(prompt), count)

    def known(self, prompt: str) -> bool:
        nearest = self.nearest(prompt, 1)
        return not nearest or nearest[0][1] >= KNOWN

    def notes(self, prompt: str) -> tuple[str, ...]:
        unread = self.text.unread(prompt)
        if not unread:
            return ()
        return (f"The prompt's last {unread} tokens were not read: it is too long for this model.",)


def _concepts(entry: Entry) -> tuple[str, ...]:
    """What `concepts.json` lists; nothing where there is none. Raises BadCheckpoint."""
    file = entry.folder / "concepts.json"
    if not file.is_file():
        return ()
    try:
        sound = file.stat().st_size <= MAX_JSON
        said = json.loads(file.read_text(encoding="utf-8")) if sound else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or len(said) > MAX_CONCEPTS:
        raise BadCheckpoint(f"{entry.id}/concepts.json is not a list of names.")
    if not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in said):
        raise BadCheckpoint(f"{entry.id}/concepts.json holds something that is not a name.")
    return tuple(said)


def load(entry: Entry, device: str, progress: Progress, others: dict) -> StableDiffusion:
    """A Stable Diffusion folder; raises BadCheckpoint with a sentence."""
    return StableDiffusion(entry, device, progress)
