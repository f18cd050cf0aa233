"""The tiny decoder of live previews: an AutoencoderTiny whose decoder imitates the VAE's.

Its decoder does all its work at the latents' resolution and the next one; its encoder is only there because the class has one.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny

from studio.training import loop, muon


@dataclass(frozen=True, slots=True)
class Config:
    width: int = 16
    batch: int = 8
    steps: int = 1200
    lr: float = 0.01
    adam_lr: float = 2e-3
    noise: float = 0.3  # previews show unfinished guesses, so the latents are disturbed up to this much


def build(config: Config, channels: int = 8) -> AutoencoderTiny:
    widths = (config.width,) * 4
    return AutoencoderTiny(
        latent_channels=channels, encoder_block_out_channels=widths, decoder_block_out_channels=widths,
        num_encoder_blocks=(1, 1, 1, 1), num_decoder_blocks=(2, 1, 1, 1), scaling_factor=1.0, force_upcast=False,
    )  # fmt: skip


def train(vae, latents: torch.Tensor, folder: Path, config: Config, *, seed: int = 0, device: str = "cpu",
          pace: loop.Pace | None = None) -> AutoencoderTiny:
    """latents (N, C, h, w): whitened. Loss: L1 to the VAE's own picture of the undisturbed latent."""
    torch.manual_seed(seed)
    tiny = build(config, latents.shape[1]).to(device, memory_format=torch.channels_last)
    tiny.encoder.requires_grad_(False)
    optimisers = muon.optimisers(tiny, config.lr, config.adam_lr)
    pace = pace or loop.Pace(config.steps)

    def step(n: int) -> tuple[float, int]:
        muon.set_rates(optimisers, muon.cosine(n, pace.steps, min(50, pace.steps // 4 + 1)))
        g = loop.generator(seed, n)
        z = latents[torch.randint(len(latents), (config.batch,), generator=g)].to(device)
        with torch.no_grad():
            target = vae.decode(z).sample
        amount = config.noise * torch.rand(len(z), 1, 1, 1, generator=g)
        y = tiny.decode(z + (amount * torch.randn(z.shape, generator=g)).to(device)).sample
        value = (y - target).abs().mean()
        value.backward()
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return value.item(), config.batch

    loop.train(folder, {"tiny": tiny, **{f"optimiser{i}": o for i, o in enumerate(optimisers)}}, step, pace)
    return tiny
