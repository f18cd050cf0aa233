"""Where a run's second checkpoint takes over: SDXL's refiner, and any other of the same states.

The first runs the levels of its way whose time is at or above the hand-over, as diffusers'
`denoising_end` and `denoising_start` cut them, its sampler knowing the whole way; the second begins
afresh from there, with a sampler that remembers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.checkpoints.checkpoint import Checkpoint
from studio.diffusion.path import Level, Path
from studio.errors import BadRequest


def before(way: Sequence[Level], path: Path, handover: float) -> Sequence[Level]:
    """The first checkpoint's part of the way, with where it ends. At least one step is its own."""
    entries = path.T + (path.kind == "vp")
    cut = round(entries * (1.0 - handover))
    mine = max(1, sum(level.t >= cut for level in way[:-1]))
    return way[: mine + 1]


def after(end: Level, way: Sequence[Level], path: Path) -> Sequence[Level]:
    """The second checkpoint's part: from where the first ended, on its own path."""
    if end in way:
        return way[list(way).index(end) :]
    return (path.at(end.logsnr), *(level for level in way if level.logsnr > end.logsnr))


def check(first: Checkpoint, second: Checkpoint) -> None:
    """Raise BadRequest unless the second can go on with the first's states."""
    mine, other = first.latent, second.latent
    same = (mine.channels, mine.down, mine.scale, mine.shift) == (
        other.channels, other.down, other.scale, other.shift,
    )  # fmt: skip
    if not same or first.path.kind != second.path.kind:
        raise BadRequest(
            f"{second.entry.title} has states of another kind than {first.entry.title}; "
            "it cannot refine them."
        )
