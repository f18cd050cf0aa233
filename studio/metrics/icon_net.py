"""A small network that tells icons apart: the studio's own features, trained on its own pictures.

It was taught to name the concept of a picture, whatever set drew it, and no generator was trained
against it (`python -m studio train features`). Figures on these features compare with nothing but
figures on these features: they are not Inception's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 48  # pixels of a picture that it is shown
WIDTHS = (48, 96, 112)
FEATURES = 96
SPATIAL = 7  # channels of the coarsest map that are kept with their places, as sFID keeps seven
SHARP = 20.0  # what cosines are multiplied by before the softmax
WEIGHTS = Path(__file__).with_name("icon_net.safetensors")


@dataclass(frozen=True, slots=True)
class Seen:
    """features (B, 96) of length 1; spatial (B, 7·3·3); logits (B, K) over the concepts."""

    features: Tensor
    spatial: Tensor
    logits: Tensor


class Residual(nn.Module):
    """x + conv(silu(norm(x))), at one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.silu(self.norm(x)))


class IconNet(nn.Module):
    """Pictures (B, 3, 48, 48) in [-1, 1] to what is seen in them; `concepts` are its classes."""

    def __init__(self, concepts: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.conv_in = nn.Conv2d(48, widths[0], 3, padding=1)
        for number, width in enumerate(widths):
            if number:
                layers.append(nn.Conv2d(widths[number - 1], width, 3, stride=2, padding=1))
            layers += [Residual(width) for _ in range(2 if number else 1)]
        self.body = nn.Sequential(*layers)
        self.norm = nn.GroupNorm(8, widths[-1])
        self.join = nn.Linear(widths[-1], FEATURES)
        self.conv_out = nn.Linear(FEATURES, concepts, bias=False)

    def forward(self, x: Tensor) -> Seen:
        x = F.silu(self.norm(self.body(self.conv_in(F.pixel_unshuffle(x, 4)))))
        features = F.normalize(self.join(x.mean((2, 3))), dim=1)
        logits = SHARP * F.linear(features, F.normalize(self.conv_out.weight, dim=1))
        return Seen(features, x[:, :SPATIAL].flatten(1), logits)


def prepared(pictures: Tensor) -> Tensor:
    """Pictures (B, H, W, 3) uint8 as it is shown them: (B, 3, 48, 48) in [-1, 1], averaged."""
    x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
    x = F.interpolate(x, size=(SIDE, SIDE), mode="area")
    return x.contiguous(memory_format=torch.channels_last)


def load(file: Path = WEIGHTS) -> IconNet:
    """The shipped network, frozen."""
    from safetensors.torch import load_file

    state = {name: tensor.float() for name, tensor in load_file(file).items()}
    widths = [state["conv_in.weight"].shape[0]]
    for name in sorted(state, key=lambda n: int(n.split(".")[1]) if n.startswith("body") else -1):
        if name.startswith("body") and name.count(".") == 2 and name.endswith("weight"):
            widths.append(state[name].shape[0])
    made = IconNet(len(state["conv_out.weight"]), tuple(widths))
    made.load_state_dict(state)
    return made.to(memory_format=torch.channels_last).eval().requires_grad_(False)
