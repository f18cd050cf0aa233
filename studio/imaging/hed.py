"""Holistically-nested edge detection (Xie & Tu 2015): VGG-16's five blocks, each with a say.

The weights are a dict of tensors, "block1.0.weight" … "side5.bias", "fuse.weight".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

MEAN = (104.00699, 116.66877, 122.67892)  # of B, G, R in 0 … 255, as VGG-16 was trained in Caffe


@torch.inference_mode()
def edges(picture: np.ndarray, weights: Mapping[str, Tensor]) -> np.ndarray:
    """(H, W, 3) uint8 RGB → (H, W) float32, the probability of an edge."""
    bgr = torch.from_numpy(picture[..., ::-1].astype(np.float32)) - torch.tensor(MEAN)
    x = bgr.permute(2, 0, 1)[None]  # (1, 3, H, W)
    return torch.sigmoid(logits(x, weights))[0, 0].numpy()


def logits(x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """(B, 3, H, W) → (B, 1, H, W): five side outputs, drawn up to full size and weighed."""
    size = x.shape[-2:]
    sides = []
    for block in range(1, 6):
        if block > 1:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        layer = 0
        while f"block{block}.{layer}.weight" in weights:
            x = F.relu(_conv(x, weights, f"block{block}.{layer}"))
            layer += 1
        side = _conv(x, weights, f"side{block}")
        sides.append(F.interpolate(side, size, mode="bilinear", align_corners=False))
    return _conv(torch.cat(sides, dim=1), weights, "fuse")


def _conv(x: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    weight = weights[f"{name}.weight"]
    return F.conv2d(x, weight, weights[f"{name}.bias"], padding=weight.shape[-1] // 2)
