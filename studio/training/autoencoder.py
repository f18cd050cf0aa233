"""The VAE: a small stock AutoencoderKL, 8× down to 8 channels, trained on crops, its latents
whitened afterwards.

Loss: L1, an L1 on differences at three scales (edges), and a very small KL to N(0, 1).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from studio.training import loop, muon
from studio.training.dataset import IconData
from studio.training.sheet import save_sheet


@dataclass(frozen=True, slots=True)
class Config:
    """Widths, and how long and how fast to train. Crops are 64 px; every fourth batch holds whole
    pictures.
    """

    channels: tuple[int, ...] = (16, 32, 64, 96)
    latent: int = 8
    batch: int = 16
    steps: int = 5000
    lr: float = 0.02
    adam_lr: float = 2e-3
    kl: float = 3e-4
    edges: float = 0.5
    crop: int = 64


def build(config: Config, size: int = 128) -> AutoencoderKL:
    blocks = len(config.channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        block_out_channels=config.channels,
        layers_per_block=1,
        latent_channels=config.latent,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=size,
        scaling_factor=1.0,
        force_upcast=False,
    )


def to_tensor(pictures) -> torch.Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float32 in [−1, 1], channels last."""
    x = torch.as_tensor(pictures).permute(0, 3, 1, 2).float()
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def to_pixels(x: torch.Tensor):
    """The way back: (B, H, W, 3) uint8."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def crops(data: IconData, rows: list[int], step: int, config: Config, seed: int) -> torch.Tensor:
    """A batch for this step: random crops, mirrored half the time, a fifth of the time with colours
    permuted.
    """
    g = loop.generator(seed, step)
    whole = step % 4 == 3
    size = data.pixels.shape[1]
    crop = size if whole else min(config.crop, size)
    count = max(1, config.batch * config.crop**2 // size**2) if whole else config.batch
    out = []
    for _ in range(count):
        row, y, x, flip, swap = (
            int(torch.randint(n, (), generator=g))
            for n in (len(rows), size - crop + 1, size - crop + 1, 2, 5)
        )
        picture = data.pixels[rows[row]][y : y + crop, x : x + crop]
        picture = picture[:, ::-1] if flip else picture
        if swap == 0:
            picture = picture[..., torch.randperm(3, generator=g).numpy()]
        out.append(torch.from_numpy(picture.copy()))
    return to_tensor(torch.stack(out))


def edge_loss(y: torch.Tensor, x: torch.Tensor, scales: int = 3) -> torch.Tensor:
    """L1 between horizontal and vertical differences, over halved resolutions."""
    total = x.new_zeros(())
    d = y - x
    for _ in range(scales):
        total = total + d.diff(dim=-1).abs().mean() + d.diff(dim=-2).abs().mean()
        d = F.avg_pool2d(d, 2)
    return total / scales


def similarity(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean SSIM of pictures (B, C, h, w) in [−1, 1]; Wang et al. 2004, eq. 13, with their constants
    and their Gaussian window of 11 pixels where it fits.
    """
    at = torch.arange(-5, 6, device=x.device, dtype=x.dtype)
    window = torch.exp(-0.5 * (at / 1.5).square())
    window = (window / window.sum()).expand(x.shape[1], 1, -1)

    def blurred(z: torch.Tensor) -> torch.Tensor:
        z = F.conv2d(z, window.unsqueeze(2), groups=x.shape[1])
        return F.conv2d(z, window.unsqueeze(3), groups=x.shape[1])

    mean_x, mean_y = blurred(x), blurred(y)
    var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    both = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    # the luminance term is of values from 0: the same shift for means, none for variances
    mean_x, mean_y = mean_x + 1, mean_y + 1
    above = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return (above / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean()


def loss(vae: AutoencoderKL, x: torch.Tensor, g: torch.Generator, config: Config) -> torch.Tensor:
    mean, logvar = vae.quant_conv(vae.encoder(x)).chunk(2, 1)
    logvar = logvar.clamp(-12, 4)
    noise = torch.randn(mean.shape, generator=g).to(x.device)
    y = vae.decoder(vae.post_quant_conv(mean + noise * torch.exp(logvar / 2)))
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    return (y - x).abs().mean() + config.edges * edge_loss(y, x) + config.kl * kl


def train(
    data: IconData,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
) -> AutoencoderKL:
    """The trained autoencoder, latents not yet whitened; resumes from `folder`."""
    torch.manual_seed(seed)
    vae = build(config, data.pixels.shape[1]).to(device, memory_format=torch.channels_last)
    optimisers = muon.optimisers(vae, config.lr, config.adam_lr)
    rows = data.train_rows()
    pace = pace or loop.Pace(config.steps)

    def step(n: int) -> tuple[float, int]:
        muon.set_rates(optimisers, muon.cosine(n, pace.steps, 100))
        x = crops(data, rows, n, config, seed).to(device)
        value = loss(vae, x, loop.generator(seed + 1, n), config)
        value.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return value.item(), config.batch

    def sheet(n: int) -> None:
        held = [i for i, r in enumerate(data.records) if r.held][:16] or rows[:16]
        x = to_tensor(data.pixels[held])
        y = reconstruct(vae, x.to(device)).cpu()
        db = psnr(y, x)
        print(f"held-out PSNR {db:.2f} dB", flush=True)
        pictures = [p for pair in zip(to_pixels(x), to_pixels(y), strict=True) for p in pair]
        save_sheet(
            folder / f"sheet-{n:06d}.png",
            pictures,
            [f"{db:.2f} dB"] + [""] * (len(pictures) - 1),
            8,
        )

    parts = {"vae": vae, **{f"optimiser{i}": o for i, o in enumerate(optimisers)}}
    loop.train(folder, parts, step, pace, sheet)
    return vae


@torch.no_grad()
def reconstruct(vae: AutoencoderKL, x: torch.Tensor) -> torch.Tensor:
    return vae.decode(vae.encode(x).latent_dist.mode()).sample


def psnr(y: torch.Tensor, x: torch.Tensor) -> float:
    """Mean over pictures, in dB, of values in [−1, 1] (clamped and compared as in [0, 1])."""
    error = ((y.clamp(-1, 1) - x) / 2).pow(2).flatten(1).mean(1).clamp_min(1e-10)
    return float((-10 * error.log10()).mean())
