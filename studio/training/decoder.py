"""The VAE's decoder alone, trained on after its latents are fixed.

The encoder and both 1×1 convolutions stay as they are, so everything that was trained on the
latents stays valid. The latents are disturbed a little, as a denoiser's are.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from studio.training import autoencoder, loop, muon
from studio.training.crew import Crew
from studio.training.dataset import IconData


@dataclass(frozen=True, slots=True)
class Config:
    """How long, how fast, and how much noise the latents (of variance 1) get."""

    batch: int = 16
    crop: int = 64
    steps: int = 600
    lr: float = 0.006
    adam_lr: float = 6e-4
    edges: float = 0.5
    similar: float = 0.0  # of 1 − SSIM
    noise: float = 0.05
    workers: int = 1  # with more than one, run with OMP_NUM_THREADS=1


def train(
    vae,
    data: IconData,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
):
    """The same autoencoder with a better decoder; resumes from `folder`. L1, L1 of edges, L2, and
    1 − SSIM where that has a weight.
    """
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    vae.to(device, memory_format=torch.channels_last)
    crew, rows = Crew(config.workers), data.train_rows()
    optimisers = muon.optimisers(vae.decoder, config.lr, config.adam_lr, spread=crew.map)
    pace = pace or loop.Pace(config.steps)
    cut = autoencoder.Config(batch=config.batch, crop=config.crop)

    def loss(x: torch.Tensor, draw: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            z = vae.encode(x).latent_dist.mode()
            z = vae.post_quant_conv(z + config.noise * draw)
        y = vae.decoder(z)
        edges = autoencoder.edge_loss(y, x)
        said = (y - x).abs().mean() + config.edges * edges + 2 * (y - x).square().mean()
        if config.similar:
            said = said + config.similar * (1 - autoencoder.similarity(y, x))
        return said

    def step(n: int) -> tuple[float, int]:
        muon.set_rates(optimisers, muon.cosine(n, pace.steps, min(30, pace.steps // 4 + 1)))
        x = autoencoder.crops(data, rows, n, cut, seed + 17)
        side = x.shape[-1] // 2 ** (len(vae.config.block_out_channels) - 1)
        shape = (len(x), vae.config.latent_channels, side, side)
        draw = torch.randn(shape, generator=loop.generator(seed + 18, n))
        value = crew.gradients(vae.decoder, loss, x.to(device), draw.to(device))
        torch.nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        return value, config.batch

    parts = {"decoder": vae.decoder, **{f"optimiser{i}": o for i, o in enumerate(optimisers)}}
    loop.train(folder, parts, step, pace)
    return vae
