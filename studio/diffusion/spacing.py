"""Which levels a run visits: `steps` questions, and where the last answer leads.

The names and conventions are those of Lin et al. 2023, table 2, as diffusers' DDIM and DDPM
schedulers have them; times are rounded to the table's own where the convention rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from studio.diffusion.path import Level, Path

RHO = 7.0  # Karras et al. 2022, table 1


def leading(path: Path, steps: int) -> list[Level]:
    """t = (steps - 1 … 0)·⌊N/steps⌋ + steps_offset, N = T + 1. It never starts at T."""
    ratio = _entries(path, steps) // steps
    ts = np.arange(steps)[::-1] * ratio + path.steps_offset
    return _at_times(path, np.minimum(ts, path.T))


def trailing(path: Path, steps: int) -> list[Level]:
    """t = N - 1, N - 1 - N/steps, …, rounded. Starts at T, ends well above 0."""
    N = _entries(path, steps)
    return _at_times(path, np.round(N - np.arange(steps) * (N / steps)) - 1)


def linspace(path: Path, steps: int) -> list[Level]:
    """`steps` times from T to 0, both included, rounded; a single step starts at T."""
    _entries(path, steps)
    if steps == 1:
        return _at_times(path, [path.T])
    return _at_times(path, np.round(np.linspace(0, path.T, steps))[::-1])


def karras(path: Path, steps: int) -> list[Level]:
    """sigma_k^(1/ρ) in equal steps over the table's range (Karras et al. 2022, eq. 5), ρ = 7."""
    low, high = _range(path)
    ramp = np.linspace(high ** (1 / RHO), low ** (1 / RHO), steps)
    return [path.at(-2.0 * math.log(s)) for s in ramp**RHO]


def levels(
    path: Path, steps: int, spacing: str = "trailing", *, final: str | None = None
) -> tuple[Level, ...]:
    """The steps + 1 levels of a run, noisiest first; the last is where it ends.

    `final` "zero" ends clean, "kept" at the table's first level; None takes the path's own rule.
    Raises ValueError for a spacing or a number of steps that there is not.
    """
    if steps < 1:
        raise ValueError(f"a run needs at least one step, not {steps}")
    if spacing not in SPACINGS:
        raise ValueError(f"the spacing {spacing!r} is not known")
    kept = (final or path.final) == "kept"
    return (*SPACINGS[spacing](path, steps), path.final_kept if kept else path.clean)


def _entries(path: Path, steps: int) -> int:
    """N, the number of network times to choose from; a flow counts them from 1 to T."""
    N = int(path.T) + (path.kind == "vp")
    if path.kind == "ve":
        raise ValueError("an exploding path has no table of times; use the Karras spacing")
    if steps > N:
        raise ValueError(f"{steps} steps do not fit into {N} training times; take fewer")
    return N


def _at_times(path: Path, ts: Iterable[float]) -> list[Level]:
    return [path.level(float(t)) for t in ts]


def _range(path: Path) -> tuple[float, float]:
    """Smallest and largest finite sigma_k of the path."""
    if path.kind == "vp":
        finite = [s for s in path.log_sigma_k if math.isfinite(s)]
        return math.exp(finite[0]), math.exp(finite[-1])
    if path.kind == "ve":
        return 0.002, path.T  # EDM's sigma_min
    return path.level(1.0).sigma_k, path.level(path.T - 1.0).sigma_k


SPACINGS = {
    "leading": leading,
    "trailing": trailing,
    "linspace": linspace,
    "karras": karras,
}
