"""A transformer on latent patches that attends to text, trained by flow matching: a stock
PixArtTransformer2DModel that predicts the velocity u = eps − x0 on straight paths
xt = (1 − s)·x0 + s·eps (Liu et al. 2022; Esser et al. 2024).

Attention to the text is masked as PixArt's pipeline masks it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from diffusers import PixArtTransformer2DModel
from torch import nn

from studio.training import loop, unet
from studio.training.fit import fit

# What a plain pipeline draws with: the solver whose sigmas are the path's own.
SCHEDULE = {
    "num_train_timesteps": 1000,
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "flow_shift": 1.0,
    "algorithm_type": "dpmsolver++",
    "solver_order": 2,
    "final_sigmas_type": "zero",
}
TIMES = 1000.0  # the network is told 1000 · s


@dataclass(frozen=True, slots=True)
class Config:
    width: int = 256
    depth: int = 8
    head: int = 64
    patch: int = 2
    batch: int = 48
    steps: int = 8000
    lr: float = 0.01
    adam_lr: float = 1e-3
    drop: float = 0.12
    mean: float = 0.0  # of logit(s), normal: Esser et al. 2024, section 3.1
    deviation: float = 1.0
    ema: float = 0.9995
    captions: int = 6
    workers: int = 2
    compile: bool = False  # on CUDA alone


@dataclass(frozen=True, slots=True)
class Cache:
    """What the denoiser's cache holds, and which of the states are a prompt's: (M, T) bool."""

    base: unet.Cache
    masks: torch.Tensor


def build(config: Config, text_width: int, channels: int = 8, size: int = 16):
    """The residual branches' last layers and the output start at zero."""
    model = PixArtTransformer2DModel(
        num_attention_heads=max(1, config.width // config.head),
        attention_head_dim=min(config.head, config.width),
        in_channels=channels,
        out_channels=channels,
        num_layers=config.depth,
        cross_attention_dim=config.width,
        sample_size=size,
        patch_size=config.patch,
        caption_channels=text_width,
        use_additional_conditions=False,
    )
    for block in model.transformer_blocks:
        for layer in (block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
    nn.init.zeros_(model.proj_out.weight)
    nn.init.zeros_(model.proj_out.bias)
    return model


def draw_times(count: int, config: Config, g: torch.Generator) -> torch.Tensor:
    """s ∈ (0, 1) with a normal logit; stratified, in a random order."""
    u = (torch.arange(count) + torch.rand(count, generator=g)) / count
    normal = torch.special.ndtri(u.double().clamp(1e-6, 1 - 1e-6))
    s = torch.sigmoid(config.mean + config.deviation * normal).float()
    return s[torch.randperm(count, generator=g)]


def draw_batch(cache: Cache, n: int, config: Config, seed: int) -> tuple[torch.Tensor, ...]:
    """Step n's (xt, s, context, mask, u)."""
    g = loop.generator(seed, n)
    rows, which = unet.draw_rows(cache.base, config, g)
    x0, s = cache.base.latents[rows], draw_times(len(rows), config, g)
    eps = torch.randn(x0.shape, generator=g)
    at = s.view(-1, 1, 1, 1)
    context = cache.base.states[which].float()
    return (1 - at) * x0 + at * eps, s, context, cache.masks[which], eps - x0


def velocity(model, x, s, context, mask) -> torch.Tensor:
    """u at states x (B, C, h, w) and times s (B,)."""
    return model(
        x,
        encoder_hidden_states=context,
        encoder_attention_mask=mask.to(x.dtype),
        timestep=TIMES * s,
        added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        return_dict=False,
    )[0]


@torch.no_grad()
def sample(
    model,
    states: torch.Tensor,
    masks: torch.Tensor,
    noise: torch.Tensor,
    steps: int = 20,
    scale: float = 3.5,
) -> torch.Tensor:
    """Euler from s = 1 to 0 with guidance. Row 0 of states and masks is the empty prompt's, the
    others are those of noise (B, C, h, w).
    """
    count, x = len(noise), noise
    context = torch.cat([states[:1].expand(count, -1, -1), states[1:]])
    mask = torch.cat([masks[:1].expand(count, -1), masks[1:]])
    levels = torch.linspace(1, 0, steps + 1)
    for now, after in pairwise(levels):
        s = now.expand(2 * count).to(x.device)
        free, told = velocity(model, torch.cat([x, x]), s, context, mask).chunk(2)
        x = x + (after - now) * (free + scale * (told - free))
    return x


def train(
    cache: Cache,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
    sheet: Callable[[PixArtTransformer2DModel, int], None] | None = None,
) -> PixArtTransformer2DModel:
    """The averaged transformer."""
    torch.manual_seed(seed)
    channels, size = cache.base.latents.shape[1], cache.base.latents.shape[-1]
    width = cache.base.states.shape[-1]
    model, shown = (build(config, width, channels, size).to(device) for _ in range(2))
    shown.eval()

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(cache, n, config, seed)

    def loss(xt, s, context, mask, u):
        return (velocity(model, xt, s, context, mask) - u).square().mean()

    return fit(model, shown, draw, loss, folder, config, device=device, pace=pace, sheet=sheet)
