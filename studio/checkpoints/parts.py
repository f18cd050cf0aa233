"""The autoencoder that latent families share, and what it costs to hold a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from studio.checkpoints import packed, weights
from studio.checkpoints.checkpoint import Latent
from studio.checkpoints.entry import Entry


def network(entry: Entry, part: str, kind: Any, device: str) -> nn.Module:
    """One network from its folder, for inference; raises BadCheckpoint with a sentence."""
    return weights.network(kind, entry.folder / part, device)


def size(*networks: nn.Module) -> int:
    """The bytes that their weights take, shared ones once."""
    found = {id(p): p for each in networks for p in each.parameters()}
    return sum(p.numel() * p.element_size() for p in found.values())


class Autoencoder:
    """A VAE with an optional tiny decoder in `preview/`: states to pictures and back."""

    def __init__(
        self, entry: Entry, device: str, read: Callable[[str, Any], nn.Module] | None = None
    ) -> None:
        """`read` gives the VAE by its part's name and class, where it lies in no folder."""
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        read = read or (lambda part, kind: network(entry, part, kind, device))
        self.vae = read("vae", AutoencoderKL)
        self.vae.to(memory_format=torch.channels_last)
        config, self.device = self.vae.config, device
        self.latent = Latent(
            channels=config.latent_channels,
            down=2 ** (len(config.block_out_channels) - 1),
            scale=config.scaling_factor or 1.0,
            shift=config.shift_factor or 0.0,
        )
        self.bytes = size(self.vae)
        self.tiny: TinyDecoder | None = None
        if (entry.folder / "preview").is_dir():
            from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

            self.tiny = TinyDecoder(network(entry, "preview", AutoencoderTiny, device))
        if packed.possible(device):
            x = torch.zeros(1, *entry.latent)
            packed.pack(self.vae, lambda: self.decode(x))
            if self.tiny is not None:
                packed.pack(self.tiny, lambda: self.tiny(x))

    @torch.no_grad()
    def decode(self, x: Tensor, tiled: bool = False) -> Tensor:
        """States to pictures (B, 3, H, W) in about [-1, 1]."""
        self.vae.use_tiling = tiled
        x = x / self.latent.scale + self.latent.shift
        x = x.contiguous(memory_format=torch.channels_last)
        return self.vae.decode(x, return_dict=False)[0]

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) to states: the mean of the posterior, scaled."""
        pictures = pictures.to(self.device).contiguous(memory_format=torch.channels_last)
        mean = self.vae.encode(pictures).latent_dist.mean
        return (mean - self.latent.shift) * self.latent.scale


class TinyDecoder(nn.Module):
    """The preview decoder of an AutoencoderTiny, on states as the network has them."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.scale = whole.config.scaling_factor or 1.0
        self.decoder = whole.decoder

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) → (B, 3, H, W)."""
        return self.decoder((x / self.scale).contiguous(memory_format=torch.channels_last))
