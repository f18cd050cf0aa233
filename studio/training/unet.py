"""The denoiser: a small stock UNet2DConditionModel on 16×16×8 latents, v-prediction under the
cosine schedule.

Text enters twice: by cross-attention, and pooled into the time embedding
(`addition_embed_type="text"`), where it scales and shifts every residual block: with little compute
that is the way that teaches *what* to draw soonest.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, UNet2DConditionModel

from studio.training import loop
from studio.training.fit import fit

# Trailing spacing from t = 999, where the cosine schedule has no signal left, to a final step onto
# the clean latent.
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
    "timestep_spacing": "trailing",
    "rescale_betas_zero_snr": False,
}


@dataclass(frozen=True, slots=True)
class Config:
    widths: tuple[int, ...] = (32, 96, 192)
    attention: tuple[bool, ...] = (
        False,
        False,
        False,
    )  # cross-attention in each level; the middle always has it
    head: int = 32
    batch: int = 32
    steps: int = 8000
    lr: float = 0.02
    adam_lr: float = 2e-3
    drop: float = 0.12  # how often the prompt is replaced by the empty one
    gamma: float = 6.0  # the loss is ‖x̂0 − x0‖² · min(snr + 1, gamma)
    ema: float = 0.9995
    captions: int = 12
    workers: int = 1  # threads that share a batch; with more than one, run with OMP_NUM_THREADS=1
    compile: bool = False  # on CUDA alone


@dataclass(frozen=True, slots=True)
class Cache:
    """Everything a step needs, computed once. `captions[i]` are rows of `states` for picture i; row
    0 is the empty prompt.
    """

    latents: torch.Tensor  # (N, C, h, w) float32, whitened
    states: torch.Tensor  # (M, T, D) float16
    captions: torch.Tensor  # (N, K) int64
    weights: torch.Tensor  # (N,) float32: how often a picture is drawn


def build(
    config: Config, text_width: int, channels: int = 8, size: int = 16
) -> UNet2DConditionModel:
    down = tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in config.attention)
    up = tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(config.attention))
    unet = UNet2DConditionModel(
        sample_size=size,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=config.widths,
        down_block_types=down,
        up_block_types=up,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=text_width,
        attention_head_dim=tuple(max(1, w // config.head) for w in config.widths),
        addition_embed_type="text",
        addition_embed_type_num_heads=6 if text_width % 6 == 0 else 4,
        resnet_time_scale_shift="scale_shift",
    )
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if name.endswith("conv2.weight") or name == "conv_out.weight":
                weight.mul_(0.1)  # every residual branch starts small
    return unet


def levels(device: str = "cpu") -> torch.Tensor:
    """ᾱ_t of the schedule, (1000,) float32."""
    return DDIMScheduler(**SCHEDULE).alphas_cumprod.to(device)


def draw_times(
    alpha_bar: torch.Tensor, gamma: float, count: int, g: torch.Generator
) -> torch.Tensor:
    """Timesteps with density ∝ min(1, gamma / (snr + 1)): the min-SNR weight of v, drawn instead of
    multiplied; stratified.
    """
    density = torch.clamp(gamma * (1 - alpha_bar.double()), max=1.0).cpu()  # snr + 1 = 1 / (1 − ᾱ)
    cumulative = density.cumsum(0) / density.sum()
    u = (torch.arange(count) + torch.rand(count, generator=g)) / count
    return torch.searchsorted(cumulative, u.double()).clamp_max(len(cumulative) - 1)[
        torch.randperm(count, generator=g)
    ]


def draw_rows(cache: Cache, config, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, which): pictures of a batch by weight, and for each a row of the text states, which
    is that of the empty prompt in a share of `config.drop`.
    """
    rows = torch.multinomial(cache.weights, config.batch, replacement=True, generator=g)
    which = cache.captions[
        rows, torch.randint(cache.captions.shape[1], (config.batch,), generator=g)
    ]
    return rows, torch.where(torch.rand(config.batch, generator=g) < config.drop, 0, which)


def noise(
    x0: torch.Tensor, alpha_bar: torch.Tensor, gamma: float, g: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(xt, t, v) of clean latents at drawn times (Salimans & Ho 2022, appendix D)."""
    t = draw_times(alpha_bar, gamma, len(x0), g)
    eps = torch.randn(x0.shape, generator=g)
    alpha, sigma = (a.sqrt().view(-1, 1, 1, 1) for a in (alpha_bar[t], 1 - alpha_bar[t]))
    return alpha * x0 + sigma * eps, t, alpha * eps - sigma * x0


def draw_batch(
    cache: Cache, alpha_bar: torch.Tensor, n: int, config: Config, seed: int
) -> tuple[torch.Tensor, ...]:
    """Step n's (xt, t, context, v): what the network sees and what it should say."""
    g = loop.generator(seed, n)
    rows, which = draw_rows(cache, config, g)
    xt, t, v = noise(cache.latents[rows], alpha_bar, config.gamma, g)
    return xt, t, cache.states[which].float(), v


def train(
    cache: Cache,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
    sheet=None,
) -> UNet2DConditionModel:
    """The averaged denoiser. `sheet(unet, step)` gets the averaged weights now and then."""
    torch.manual_seed(seed)
    channels, size = cache.latents.shape[1], cache.latents.shape[-1]
    unet = build(config, cache.states.shape[-1], channels, size).to(
        device, memory_format=torch.channels_last
    )
    shown = build(config, cache.states.shape[-1], channels, size).to(device).eval()
    alpha_bar = levels()

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(cache, alpha_bar, n, config, seed)

    def loss(xt, t, context, v):
        return (unet(xt, t, encoder_hidden_states=context).sample - v).square().mean()

    return fit(unet, shown, draw, loss, folder, config, device=device, pace=pace, sheet=sheet)
