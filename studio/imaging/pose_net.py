"""Lightweight OpenPose (Osokin 2018): a MobileNet, then stages that each refine the last's answer.

The weights are a dict of tensors whose batch norms are folded into the convolutions: "model.0.0",
"cpm.align.0", "initial_stage.trunk.0.0", "refinement_stages.0.pafs.1.0", … with .weight and .bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]
SIDE, GRID = 256, 8  # pixels of the shorter side, and of a cell of the answer
LONGEST = 4  # times the shorter side
MIDDLE, SPREAD = 128.0, 256.0
STRIDES = (1, 2, 1, 2) + (1,) * 7  # of the separable convolutions
WIDE = 6  # the one of them that is dilated


@torch.inference_mode()
def answer(picture: np.ndarray, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 RGB → heat (h, w, 19) of keypoints and ground, limbs (h, w, 38) of x, y.

    The picture is stretched to sides that are multiples of GRID, the shorter one SIDE.
    """
    height, width = picture.shape[:2]
    share = SIDE / min(height, width)
    size = [round(min(share * side, LONGEST * SIDE) / GRID) * GRID for side in (width, height)]
    bgr = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1]
    x = (torch.from_numpy(bgr.astype(np.float32)) - MIDDLE) / SPREAD
    heat, limbs = stages(x.permute(2, 0, 1)[None], weights)
    return heat[0].permute(1, 2, 0).numpy(), limbs[0].permute(1, 2, 0).numpy()


def stages(x: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """(B, 3, H, W) → (B, 19, H/8, W/8) and (B, 38, H/8, W/8), the last stage's."""

    def conv(
        x: Tensor, name: str, act: Callable = F.relu, stride: int = 1, wide: int = 1
    ) -> Tensor:
        weight = weights[f"{name}.weight"]
        alone = weight.shape[1] == 1 and x.shape[1] > 1  # one filter a channel
        pad = wide * (weight.shape[-1] // 2)
        groups = x.shape[1] if alone else 1
        return act(F.conv2d(x, weight, weights[f"{name}.bias"], stride, pad, wide, groups))

    def ends(x: Tensor, stage: str) -> tuple[Tensor, Tensor]:
        heat, limbs = (
            conv(conv(x, f"{stage}.{end}.0.0"), f"{stage}.{end}.1.0", act=_as_it_is)
            for end in ("heatmaps", "pafs")
        )
        return heat, limbs

    x = conv(x, "model.0.0", stride=2)
    for k, stride in enumerate(STRIDES, 1):
        wide = 2 if k == WIDE + 1 else 1
        x = conv(x, f"model.{k}.0", stride=stride, wide=wide)
        x = conv(x, f"model.{k}.3")
    x = conv(x, "cpm.align.0")
    trunk = x
    for k in range(3):
        trunk = conv(conv(trunk, f"cpm.trunk.{k}.0", act=F.elu), f"cpm.trunk.{k}.2", act=F.elu)
    seen = x = conv(x + trunk, "cpm.conv.0")
    for k in range(3):
        x = conv(x, f"initial_stage.trunk.{k}.0")
    heat, limbs = ends(x, "initial_stage")
    stage = 0
    while f"refinement_stages.{stage}.heatmaps.0.0.weight" in weights:
        name = f"refinement_stages.{stage}"
        x = torch.cat([seen, heat, limbs], dim=1)
        for k in range(5):
            x = conv(x, f"{name}.trunk.{k}.initial.0")
            more = conv(x, f"{name}.trunk.{k}.trunk.0.0")
            x = x + conv(more, f"{name}.trunk.{k}.trunk.1.0", wide=2)
        heat, limbs = ends(x, name)
        stage += 1
    return heat, limbs


def _as_it_is(x: Tensor) -> Tensor:
    return x
