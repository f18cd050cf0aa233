"""What a run looks like while it runs: x_t and x̂0 drawn small, cheaply, and what that costs.

One Painter belongs to one loaded checkpoint. A state is drawn by the linear map, x̂0 by the tiny
decoder where that is cheap enough; a state that is a picture already is shown as it is.
"""

from __future__ import annotations

import time

import numpy as np
from torch import Tensor

from studio.checkpoints.checkpoint import Checkpoint
from studio.imaging import linear
from studio.imaging.encode import enlarge_lanczos, enlarge_nearest
from studio.imaging.tensors import to_rgb

SHARE = 0.25  # of a step, that "auto" lets the tiny decoder take
FIT_SIDE = 256  # pixels, at most, of the pictures that the linear map is fitted on


class Painter:
    """Draws states of one checkpoint as RGB arrays (B, H, W, 3)."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Fits the linear map and times the tiny decoder, once."""
        self.checkpoint = checkpoint
        self.pixels = checkpoint.latent.down == 1
        self.matrix, self.tiny_ms = None, None
        if self.pixels:
            return
        side = min(checkpoint.entry.size, FIT_SIDE)
        self.matrix = linear.fit(checkpoint.embed, side).to(checkpoint.device)
        if checkpoint.tiny is not None:
            states = checkpoint.embed(linear.charts(1, checkpoint.entry.size))
            self.x0(states, "tiny")  # the first call is never the usual one
            self.tiny_ms = min(_ms(lambda: self.x0(states, "tiny")) for _ in range(3))

    def kind(self, wanted: str, pictures: int, step_ms: float) -> str:
        """What draws x̂0 of that many pictures: "exact", "tiny", "rgb" or "off"."""
        if wanted == "off":
            return "off"
        if self.pixels:
            return "exact"
        if wanted == "rgb" or self.tiny_ms is None:
            return "rgb"
        cheap = self.tiny_ms * pictures < SHARE * step_ms
        return "tiny" if wanted == "tiny" or cheap else "rgb"

    def state(self, x: Tensor) -> np.ndarray:
        """x_t or ε at its own size: as it is, or through the linear map, one pixel a position."""
        return to_rgb(x if self.pixels else linear.draw(x, self.matrix))

    def squares(self, x: Tensor) -> np.ndarray:
        """As `state`, at the picture's size: every position a square of pixels."""
        return enlarge_nearest(self.state(x), self.checkpoint.latent.down)

    def x0(self, x0: Tensor, kind: str) -> np.ndarray:
        """x̂0 at the picture's size, drawn by one of the kinds; the linear map's by Lanczos."""
        if kind == "tiny":
            return to_rgb(self.checkpoint.tiny(x0))
        down = self.checkpoint.latent.down
        return np.stack([enlarge_lanczos(drawn, down) for drawn in self.state(x0)])


def _ms(call) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)
