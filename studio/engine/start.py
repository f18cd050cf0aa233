"""What a run starts from: a picture's state with noise on it, and the part that is painted anew.

Image to image as SDEdit has it (Meng et al. 2022): the first levels are left out and the state at
the first that stays is alpha·x0 + sigma·eps. Inpainting as diffusers has it: at every accepted
state, what lies outside the mask is the picture with that level's noise, always of the same eps. A
network trained for it is given the mask and what is kept as further channels instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Condition
from studio.contract import Request
from studio.diffusion.path import Level, Path
from studio.imaging.fit import cut
from studio.imaging.pictures import open_picture
from studio.imaging.tensors import from_rgb

FEATHER = 3.0  # pixels over which the painted part goes over into the kept one


@dataclass(eq=False, slots=True)
class Start:
    """A picture's state `x0` (C, h, w), and `mask` (1, h, w), 1 where it is painted anew.

    `rgb` (H, W, 3) and `painted` (H, W) in [0, 1] are the same in pixels. With `channels` (the
    mask and the kept part's state, one after the other) the network does the blending.
    """

    x0: Tensor
    mask: Tensor | None
    rgb: np.ndarray
    painted: np.ndarray | None
    channels: Tensor | None = None
    eps: Tensor = field(default_factory=lambda: torch.empty(0))  # (B, C, h, w) of this run

    def first(self, eps: Tensor, level: Level, path: Path, strength: float) -> Tensor:
        """The first state (B, C, h, w). A mask at full strength starts from noise alone."""
        self.eps = eps
        if self.mask is not None and strength == 1.0:
            return eps * path.first(level)
        return level.alpha * self.x0 + level.sigma * eps

    def blend(self, x: Tensor, level: Level) -> Tensor:
        """x with the picture at this level outside the mask."""
        if self.mask is None or self.channels is not None:
            return x
        mask, x0, eps = (part.to(x.device) for part in (self.mask, self.x0, self.eps[: len(x)]))
        return (1 - mask) * (level.alpha * x0 + level.sigma * eps) + mask * x

    def extend(self, condition: Condition) -> Condition:
        """A row's condition with the further channels, where the network has them."""
        if self.channels is None:
            return condition
        return {**condition, "channels": self.channels}

    def paste(self, picture: np.ndarray) -> np.ndarray:
        """The finished picture (H, W, 3) with the kept pixels as they were, feathered inwards."""
        if self.painted is None:
            return picture
        inside = (self.painted >= 0.5).astype(np.uint8)
        soft = cv2.distanceTransform(np.pad(inside, 1, mode="edge"), cv2.DIST_L2, 3)[1:-1, 1:-1]
        weight = np.clip(soft / FEATHER, 0.0, 1.0)[..., None] if not inside.all() else 1.0
        mixed = weight * picture + (1.0 - weight) * self.rgb
        return np.round(mixed).astype(np.uint8)


def steps(way: Sequence[Level], steps: int, strength: float) -> Sequence[Level]:
    """The last ⌊steps·strength⌋ steps of a way, with where they end."""
    return way[len(way) - 1 - min(int(steps * strength), steps) :]


def start(request: Request, checkpoint: Checkpoint, pictures: Mapping[str, bytes]) -> Start | None:
    """What the request starts from, from the pictures (PNG bytes) that it names; None for noise."""
    if not request.image:
        return None
    size = (request.width, request.height)
    rgb = cut(open_picture(pictures[request.image]), *size)
    x0 = checkpoint.embed(from_rgb(rgb[None])).cpu()[0]
    if not request.mask:
        return Start(x0, None, rgb, None)
    painted = cut(open_picture(pictures[request.mask]), *size).mean(axis=2) / 255.0
    binary = torch.from_numpy((painted >= 0.5).astype(np.float32))[None, None]
    mask = torch.nn.functional.interpolate(binary, size=x0.shape[1:])[0]
    channels = None
    if getattr(checkpoint, "inpaints", False):
        kept = from_rgb(rgb[None]) * (1 - binary)
        channels = torch.cat([mask, checkpoint.embed(kept).cpu()[0]]).to(checkpoint.device)
    return Start(x0, mask, rgb, painted, channels)
