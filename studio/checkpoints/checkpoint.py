"""What every loaded checkpoint can do, whatever its family. Everything else is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from studio.checkpoints.entry import Entry
from studio.diffusion.path import Path

if TYPE_CHECKING:
    from torch import Tensor

    from studio.checkpoints.conditions import Asked, Condition, Conditions

Progress = Callable[[str, float | None], None]  # a short phrase, a share in [0, 1] or None


@dataclass(frozen=True, slots=True)
class Latent:
    """How a state relates to pixels: channels, pixels a side for each value, and the VAE's scale.

    `down` 1 means that the state is the picture itself. State = (encoded - shift)·scale. Where
    `clip` is not 0, x̂0 is kept within ±clip; `guided` is how many of its channels guidance acts
    on where it was trained so (0: all of them).
    """

    channels: int
    down: int
    scale: float = 1.0
    shift: float = 0.0
    clip: float = 0.0
    guided: int = 0


class Checkpoint(Protocol):
    """A loaded checkpoint. All methods run on the thread that owns the device, without gradient.

    A condition is a row's named parts; see `conditions` for how they are stacked.
    """

    entry: Entry
    path: Path
    prediction: str  # "eps", "v", "x0", "u"
    variance: str  # of the posterior: "fixed_small", or "learned_range" with 2·C channels out
    latent: Latent
    device: str
    bytes: int
    tiny: Callable[[Tensor], Tensor] | None  # states to pictures, cheaply; None where there is none

    def encode(self, asked: Asked) -> Condition:
        """The condition of one row: the same Asked, the same numbers."""
        ...

    def predict(self, x: Tensor, t: Sequence[float], conditions: Conditions) -> Tensor:
        """Raw output (R, C or 2·C, H, W) of R rows, each at its own network time.

        Families that control networks exist for take a fourth argument, `conditions.Residuals`.
        """
        ...

    def decode(self, x: Tensor, tiled: bool = False) -> Tensor:
        """States to pictures (B, 3, H, W) in about [-1, 1]."""
        ...

    def embed(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) to states: the mean of the VAE's posterior, scaled."""
        ...

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        """What it saw that lies nearest to the prompt: names and cosines, best first."""
        ...

    def known(self, prompt: str) -> bool:
        """Whether anything it saw is near enough to the prompt."""
        ...

    def notes(self, prompt: str) -> tuple[str, ...]:
        """Sentences for the visitor about this prompt."""
        ...
