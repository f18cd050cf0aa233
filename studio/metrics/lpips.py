"""LPIPS: how far two pictures are apart in AlexNet's features, weighted by what people said.

Zhang et al. 2018, eq. 1, version 0.1 with AlexNet. Plain functions of a dict of tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = 32  # pixels a side: of less, the last features are none
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of RGB in [-1, 1]
STRIDES, PADS, POOLED = (4, 1, 1, 1, 1), (2, 2, 1, 1, 1), (1, 2)  # pooled before these layers
TINY = 1e-10


@torch.inference_mode()
def lpips(a: np.ndarray, b: np.ndarray, weights: Mapping[str, Tensor]) -> float:
    """The distance of two pictures (H, W, 3) uint8 of one size, ≥ 0; 0 is the same picture.

    `weights`: conv0 … conv4 with biases, lin0 … lin4. Raises ValueError for less than LEAST px.
    """
    if min(a.shape[:2]) < LEAST:
        raise ValueError(f"LPIPS needs pictures of at least {LEAST} pixels a side")
    pair = torch.from_numpy(np.stack([a, b]).astype(np.float32)).permute(0, 3, 1, 2)
    x = pair / 127.5 - 1  # (2, 3, H, W)
    shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in (SHIFT, SCALE))
    total = 0.0
    for layer, seen in enumerate(features((x - shift) / scale, weights)):
        unit = seen / (seen.square().sum(1, keepdim=True).sqrt() + TINY)
        apart = (unit[:1] - unit[1:]).square()
        total += float(F.conv2d(apart, weights[f"lin{layer}.weight"]).mean())
    return total


def features(x: Tensor, weights: Mapping[str, Tensor]) -> list[Tensor]:
    """AlexNet's five rectified convolutions of (B, 3, H, W)."""
    found = []
    for layer, (stride, pad) in enumerate(zip(STRIDES, PADS, strict=True)):
        if layer in POOLED:
            x = F.max_pool2d(x, 3, 2)
        weight, bias = weights[f"conv{layer}.weight"], weights[f"conv{layer}.bias"]
        x = F.relu(F.conv2d(x, weight, bias, stride, pad))
        found.append(x)
    return found
