"""The cheapest preview there is: a linear map from a latent's channels to RGB.

A latent value and the patch of pixels it stands for are nearly linear in each other, so the map
is fitted by least squares through the checkpoint's own VAE: pictures in, their latents and their
patch averages out, one (C+1, 3) matrix between them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

RIDGE = 1e-4  # keeps the fit sound when a channel carries nothing


def charts(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Synthetic pictures that fill the colour space: (count, 3, side, side) in [-1, 1].

    Each is a ground of one colour under a slope of another, with twelve coloured discs, so that
    both large areas and edges occur.
    """
    draw = torch.Generator().manual_seed(seed)
    axis = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    out = torch.rand(count, 3, 1, 1, generator=draw) * 2 - 1
    slope = torch.randn(count, 3, 2, 1, 1, generator=draw) * 0.3
    out = out + slope[:, :, 0] * x + slope[:, :, 1] * y  # (count, 3, side, side)
    for _ in range(12):
        cx, cy = torch.rand(2, count, 1, 1, 1, generator=draw) * 2 - 1
        radius = 0.05 + 0.35 * torch.rand(count, 1, 1, 1, generator=draw)
        colour = torch.rand(count, 3, 1, 1, generator=draw) * 2 - 1
        out = torch.where((x - cx) ** 2 + (y - cy) ** 2 < radius**2, colour, out)
    return out.clamp(-1, 1)


def fit(encode: Callable[[torch.Tensor], torch.Tensor], side: int, count: int = 24) -> torch.Tensor:
    """The (C+1, 3) map, last row the bias. `encode` takes (B, 3, side, side) to latents."""
    pictures = charts(count, side)
    latents = torch.cat([encode(part).float().cpu() for part in pictures.split(8)])
    means = F.interpolate(pictures, size=latents.shape[-2:], mode="area")
    flat = latents.permute(0, 2, 3, 1).flatten(0, 2).double()  # (N, C)
    design = torch.cat([flat, torch.ones(len(flat), 1, dtype=torch.float64)], 1)
    target = means.permute(0, 2, 3, 1).flatten(0, 2).double()
    gram = design.T @ design
    gram += RIDGE * len(flat) * torch.eye(len(gram), dtype=torch.float64)
    return torch.linalg.solve(gram, design.T @ target).float()


def draw(latents: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) → (B, 3, h, w), about [-1, 1]."""
    matrix = matrix.to(latents)
    out = torch.einsum("bchw,cd->bdhw", latents, matrix[:-1])
    return out + matrix[-1][None, :, None, None]
