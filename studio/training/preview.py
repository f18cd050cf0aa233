"""The tiny decoder of live previews: an AutoencoderTiny whose decoder imitates the VAE's.

Nearly all its work is below full resolution; its encoder is only there because the class has one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from studio.training import loop, muon
from studio.training.autoencoder import to_pixels, to_tensor


@dataclass(frozen=True, slots=True)
class Config:
    width: int = 16
    blocks: tuple[int, ...] = (3, 2, 1, 0)  # at 16, 32, 64, 128 px: none where it costs most
    batch: int = 8
    steps: int = 1200
    lr: float = 0.01
    adam_lr: float = 2e-3
    noise: float = 0.3  # previews show unfinished guesses, so latents are disturbed up to this


def build(config: Config, channels: int = 8) -> AutoencoderTiny:
    widths = (config.width,) * 4
    return AutoencoderTiny(
        latent_channels=channels,
        encoder_block_out_channels=widths,
        decoder_block_out_channels=widths,
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=config.blocks,
        scaling_factor=1.0,
        force_upcast=False,
    )


def train(
    vae,
    latents: torch.Tensor,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
) -> AutoencoderTiny:
    """The tiny decoder for whitened latents (N, C, h, w).

    Loss: L1 to the VAE's own picture of the undisturbed latent; these are decoded once.
    """
    torch.manual_seed(seed)
    tiny = build(config, latents.shape[1]).to(device, memory_format=torch.channels_last)
    tiny.encoder.requires_grad_(False)
    optimisers = muon.optimisers(tiny, config.lr, config.adam_lr)
    pace = pace or loop.Pace(config.steps)

    with torch.no_grad():
        decoded = [to_pixels(vae.decode(part.to(device)).sample) for part in latents.split(8)]
    pictures = torch.from_numpy(np.concatenate(decoded))  # (N, H, W, 3) uint8

    def step(n: int) -> tuple[float, int]:
        muon.set_rates(optimisers, muon.cosine(n, pace.steps, min(50, pace.steps // 4 + 1)))
        g = loop.generator(seed, n)
        rows = torch.randint(len(latents), (config.batch,), generator=g)
        z, target = latents[rows].to(device), to_tensor(pictures[rows]).to(device)
        amount = config.noise * torch.rand(len(z), 1, 1, 1, generator=g)
        y = tiny.decode(z + (amount * torch.randn(z.shape, generator=g)).to(device)).sample
        value = (y - target).abs().mean()
        value.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return value.item(), config.batch

    loop.train(
        folder, {"tiny": tiny, **{f"optimiser{i}": o for i, o in enumerate(optimisers)}}, step, pace
    )
    return tiny
