"""Which levels a run visits: `steps` questions, and where the last answer leads.

Leading, trailing and linspace are those of Lin et al. 2023, table 2, as diffusers' DDIM and DDPM
schedulers have them: times are rounded to the table's own. A flow counts its times from 1 to T,
unrounded, and shifts them. The others choose noise levels, at real-valued times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from studio.diffusion.path import Level, Path
from studio.diffusion.schedules import shifted

RHO = 7.0  # Karras et al. 2022, table 1
AYS = (999, 850, 736, 645, 545, 455, 343, 233, 124, 24)  # Sabour et al. 2024, SD 1.5
AYS_XL = (999, 845, 730, 587, 443, 310, 193, 116, 53, 13)  # the same for SDXL


def leading(path: Path, steps: int) -> list[Level]:
    """Entries (steps - 1 … 0)·⌊N/steps⌋ + steps_offset of the N there are: never the noisiest."""
    N = _entries(path, steps)
    return _at(path, np.minimum(np.arange(steps)[::-1] * (N // steps) + path.steps_offset, N - 1))


def trailing(path: Path, steps: int) -> list[Level]:
    """Entries N - 1, N - 1 - N/steps, …: starts in full noise, ends well above none."""
    N = _entries(path, steps)
    return _at(path, N - np.arange(steps) * (N / steps) - 1)


def linspace(path: Path, steps: int) -> list[Level]:
    """`steps` entries from the last to the first, both included; a single step starts at T.

    A flow with a fixed shift ends at the first entry as it is shifted, which is then shifted
    once more: SD3's reference takes the ends from its shifted table.
    """
    N = _entries(path, steps)
    first = 0.0
    if path.kind == "flow" and path.growth is None:
        first = path.T * shifted(1 / path.T, path.shift) - 1
    return _at(path, np.linspace(first, N - 1, steps)[::-1] if steps > 1 else [N - 1])


def sgm_uniform(path: Path, steps: int) -> list[Level]:
    """linspace over steps + 1 entries without the cleanest (Stability's generative-models)."""
    N = _entries(path, steps)
    return _at(path, np.linspace(0, N - 1, steps + 1)[:0:-1])


def karras(path: Path, steps: int) -> list[Level]:
    """sigma_k^(1/ρ) in equal steps over the table's range (Karras et al. 2022, eq. 5), ρ = 7."""
    low, high = _range(path)
    ramp = np.linspace(high ** (1 / RHO), low ** (1 / RHO), steps)
    return _at_sigma_k(path, ramp**RHO)


def exponential(path: Path, steps: int) -> list[Level]:
    """Equal steps of log-SNR over the table's range: sigma_k falls geometrically."""
    low, high = _range(path)
    return _at_sigma_k(path, np.exp(np.linspace(math.log(high), math.log(low), steps)))


def beta(path: Path, steps: int) -> list[Level]:
    """sigma_k at quantiles of Beta(0.6, 0.6): dense at both ends (Lee et al. 2024)."""
    low, high = _range(path)
    return _at_sigma_k(
        path, low + _beta_quantiles(1.0 - np.linspace(0.0, 1.0, steps)) * (high - low)
    )


def ays(path: Path, steps: int, table: Sequence[int] = AYS) -> list[Level]:
    """Align Your Steps (Sabour et al. 2024): ten times optimised for Stable Diffusion's schedule.

    Other numbers of steps interpolate log-SNR between the ten and the table's end, as the paper
    proposes.
    """
    if path.kind != "vp" or path.T != 999:
        raise ValueError("Align Your Steps has tables for 1000 training times only")
    if steps == len(table):
        return _at(path, table)
    logsnr = [path.level(float(t)).logsnr for t in (*table, 0)]
    logsnr[0] = max(logsnr[0], -2.0 * math.log(_range(path)[1]))
    wanted = np.linspace(0, len(table), steps + 1)[:-1]
    return [path.at(float(v)) for v in np.interp(wanted, np.arange(len(logsnr)), logsnr)]


def respacing(T: int, counts: Sequence[int]) -> list[int]:
    """Which of T times to keep: counts[i] of them evenly in the i-th of equal sections.

    Improved DDPM's and ADM's "10,15,20" (Nichol & Dhariwal 2021, sec. 4); each section keeps
    its first and its last. Raises ValueError where a section is too short.
    """
    kept, start = [], 0
    for i, count in enumerate(counts):
        size = T // len(counts) + (i < T % len(counts))
        if not 1 <= count <= size:
            raise ValueError(f"a section of {size} times cannot keep {count}")
        stride = (size - 1) / (count - 1) if count > 1 else 1.0
        kept += [start + round(k * stride) for k in range(count)]
        start += size
    return kept


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
    """N, how many network times there are to choose from."""
    N = int(path.T) + (path.kind == "vp")
    if path.kind == "ve":
        raise ValueError("an exploding path has no table of times; use the Karras spacing")
    if steps > N:
        raise ValueError(f"{steps} steps do not fit into {N} training times; take fewer")
    return N


def _at(path: Path, entries: Iterable[float]) -> list[Level]:
    """Levels of table entries 0 … N - 1."""
    if path.kind == "flow":  # entry i is time i + 1
        return [path.level(path.T * shifted((i + 1) / path.T, path.shift)) for i in entries]
    return [path.level(float(np.round(t))) for t in entries]


def _at_sigma_k(path: Path, values: Iterable[float]) -> list[Level]:
    return [path.at(-2.0 * math.log(s)) for s in values]


def _beta_quantiles(p: np.ndarray, a: float = 0.6) -> np.ndarray:
    """Quantiles of Beta(a, a): its density is integrated over v = x^a, where it has no pole."""
    v = np.linspace(0.0, 0.5**a, 4097)
    density = (1.0 - v ** (1.0 / a)) ** (a - 1.0)
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    lower = np.interp(np.minimum(p, 1.0 - p), 0.5 * mass / mass[-1], v) ** (1.0 / a)
    return np.where(p < 0.5, lower, 1.0 - lower)


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
    "sgm_uniform": sgm_uniform,
    "karras": karras,
    "exponential": exponential,
    "beta": beta,
    "ays": ays,
}
