"""Sample sheets: the same two dozen prompts from the same noise, so that progress can be seen from
one to the next.
"""

from pathlib import Path

import torch
from diffusers import DDIMScheduler

from studio.training.autoencoder import to_pixels
from studio.training.sheet import save_sheet
from studio.training.unet import SCHEDULE

PROMPTS = (
    "red apple",
    "cat face",
    "rocket",
    "smiling face",
    "pizza",
    "blue heart",
    "green apple",
    "dog",
    "sun",
    "star",
    "a red heart",
    "banana",
    "tree",
    "rose",
    "fish",
    "car",
    "house",
    "ghost",
    "panda",
    "hamburger",
    "airplane",
    "birthday cake",
    "moon",
    "a kitty",
)


@torch.no_grad()
def sample(
    unet,
    states: torch.Tensor,
    empty: torch.Tensor,
    noise: torch.Tensor,
    steps: int = 20,
    scale: float = 3.5,
):
    """DDIM with classifier-free guidance: latents (B, C, h, w) for states (B, T, D)."""
    scheduler = DDIMScheduler(**SCHEDULE)
    scheduler.set_timesteps(steps)
    x, context = noise, torch.cat([empty.expand_as(states), states]).to(noise.device)
    for t in scheduler.timesteps:
        uncond, cond = unet(torch.cat([x, x]), t, encoder_hidden_states=context).sample.chunk(2)
        x = scheduler.step(uncond + scale * (cond - uncond), t, x).prev_sample
    return x


@torch.no_grad()
def draw(
    unet,
    vae,
    states: torch.Tensor,
    empty: torch.Tensor,
    path: Path,
    prompts=PROMPTS,
    seed: int = 0,
    scale: float = 3.5,
    device: str = "cpu",
) -> None:
    """Write a sheet with one picture a prompt."""
    size = unet.config.sample_size
    noise = torch.randn(
        (len(prompts), unet.config.in_channels, size, size),
        generator=torch.Generator().manual_seed(seed),
    )
    z = sample(unet, states.to(device), empty.to(device), noise.to(device), scale=scale)
    pictures = to_pixels(torch.cat([vae.decode(part).sample for part in z.split(4)]))
    save_sheet(path, list(pictures), list(prompts), 6)
