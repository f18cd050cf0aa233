"""Between tensors in [-1, 1] and RGB bytes: the one place that rounds.

`to_rgb` rounds as diffusers' image processor does, so that pictures agree byte for byte.
"""

from __future__ import annotations

import numpy as np
import torch


def to_rgb(x: torch.Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1], anything outside clipped → (B, H, W, 3) uint8."""
    x = (x.detach().float() / 2 + 0.5).clamp_(0, 1).mul_(255).round_()
    return x.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def from_rgb(rgb: np.ndarray) -> torch.Tensor:
    """(B, H, W, 3) uint8 → (B, 3, H, W) float32 in [-1, 1]."""
    x = torch.from_numpy(np.ascontiguousarray(rgb)).permute(0, 3, 1, 2)
    return x.float().div_(127.5).sub_(1.0).contiguous()
