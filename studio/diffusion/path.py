"""Where a state sits between data and noise: x_t = alpha·x0 + sigma·eps.

A Level is one place, a Path the whole way with its network time. Plain floats: no torch here.
This module does not know which levels a run visits (`spacing.py`) or how it moves between them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from studio.diffusion import schedules

MAX_TIMES = 100_000  # of a table; every published one has 1,000 or 4,000


@dataclass(frozen=True, slots=True)
class Level:
    """One noise level. `t` is the network's time, real-valued; alpha, sigma ≥ 0."""

    t: float
    alpha: float
    sigma: float

    @property
    def snr(self) -> float:
        """alpha²/sigma²; inf when clean."""
        return math.inf if self.clean else (self.alpha / self.sigma) ** 2

    @property
    def logsnr(self) -> float:
        """2·ln(alpha/sigma): inf when clean, -inf when blind."""
        if self.clean:
            return math.inf
        return -math.inf if self.blind else 2.0 * math.log(self.alpha / self.sigma)

    @property
    def sigma_k(self) -> float:
        """sigma/alpha, the noise level of Karras et al. 2022; inf when blind."""
        return math.inf if self.blind else self.sigma / self.alpha

    @property
    def clean(self) -> bool:
        """Nothing but data."""
        return self.sigma == 0.0

    @property
    def blind(self) -> bool:
        """Nothing but noise (zero terminal SNR; the far end of a flow)."""
        return self.alpha == 0.0


@dataclass(frozen=True, slots=True)
class Growth:
    """How a flow's shift grows with the picture: μ linear in its tokens between two points.

    The shift is e^μ ("exponential", FLUX's) or μ itself ("linear"). A token is `patch` positions
    of the state a side.
    """

    low: tuple[int, float] = (256, 0.5)  # tokens, μ
    high: tuple[int, float] = (4096, 1.15)
    law: str = "exponential"
    patch: int = 2

    def shift(self, height: int, width: int) -> float:
        """The shift for a state of height × width positions."""
        tokens = (height // self.patch) * (width // self.patch)
        grown = schedules.resolution_shift(tokens, self.low, self.high)
        return grown if self.law == "exponential" else math.log(grown)


@dataclass(frozen=True, slots=True)
class Path:
    """Noise levels over the network's time t ∈ [0, T].

    kind "vp": alpha² + sigma² = 1, from the table ln(sigma_k) at t = 0, 1, … T; between its
    entries ln(sigma_k) is linear in t. "ve": alpha = 1, t = sigma, T the largest sigma.
    "flow": sigma = t/T, alpha = 1 - sigma.

    The rest is a checkpoint's own convention, as data: `steps_offset` and `final` ("zero": the
    run ends clean; "kept": at the table's first entry) for the samplers that keep that last bit
    of noise, `last` for all others, `start`, the factor of the first
    noise ("unit": x = eps; "sigma": x = sigma·eps), and the `shift` of a flow's spacings, which
    `growth` lets depend on the size.
    """

    kind: str
    T: float
    log_sigma_k: tuple[float, ...] = ()
    steps_offset: int = 0
    final: str = "zero"
    last: str = "zero"
    start: str = "unit"
    shift: float = 1.0
    growth: Growth | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("vp", "ve", "flow"):
            raise ValueError(f"a path is vp, ve or flow, not {self.kind!r}")
        if self.kind == "vp" and len(self.log_sigma_k) != self.T + 1:
            raise ValueError("a vp path has one table entry for every t = 0, 1, … T")
        ends = {self.final, self.last}
        if ends - {"zero", "kept"} or self.start not in ("unit", "sigma"):
            raise ValueError("final and last are 'zero' or 'kept'; start is 'unit' or 'sigma'")

    @property
    def clean(self) -> Level:
        """The end of a run: data without noise."""
        return Level(0.0, 1.0, 0.0)

    @property
    def final_kept(self) -> Level:
        """The level that a run ends at where the checkpoint keeps its last bit of noise."""
        return self.level(0.0)

    def level(self, t: float) -> Level:
        """The level at network time t ∈ [0, T]."""
        t = float(t)
        if not 0.0 <= t <= self.T:
            raise ValueError(f"t = {t} is outside [0, {self.T}]")
        if self.kind == "flow":
            return Level(t, 1.0 - t / self.T, t / self.T)
        if self.kind == "ve":
            return Level(t, 1.0, t)
        low = min(int(t), len(self.log_sigma_k) - 2)
        w, here, after = t - low, self.log_sigma_k[low], self.log_sigma_k[low + 1]
        if math.isinf(after) and w > 0.0:  # zero terminal SNR: alpha goes to 0 linearly in t
            alpha = (1.0 - w) / math.hypot(1.0, math.exp(here))
            return Level(t, alpha, math.sqrt(1.0 - alpha * alpha))
        alpha, sigma = _vp(math.exp(here + w * (after - here) if w > 0.0 else here))
        return Level(t, alpha, sigma)

    def at(self, logsnr: float) -> Level:
        """The level with this log-SNR and the real-valued time at which the path passes it.

        Times outside the table are clipped to [0, T]; alpha and sigma stay exact.
        """
        if logsnr == math.inf:
            return self.clean
        if logsnr == -math.inf:
            return Level(self.T, 0.0, 1.0)
        sigma_k = math.exp(-0.5 * logsnr)
        if self.kind == "ve":
            return Level(sigma_k, 1.0, sigma_k)
        if self.kind == "flow":
            sigma = sigma_k / (1.0 + sigma_k)
            return Level(self.T * sigma, 1.0 / (1.0 + sigma_k), sigma)
        alpha, sigma = _vp(sigma_k)
        return Level(self._time(-0.5 * logsnr, alpha), alpha, sigma)

    def sized(self, height: int, width: int) -> Path:
        """This path for states of height × width: where the shift grows, with that size's."""
        if self.growth is None:
            return self
        return replace(self, shift=self.growth.shift(height, width))

    def share(self, level: Level) -> float:
        """t/T, clipped to [0, 1]: 1 is where noise begins."""
        return min(max(level.t / self.T, 0.0), 1.0)

    def first(self, level: Level) -> float:
        """What the first noise is multiplied by to become the first state at `level`."""
        return 1.0 if self.start == "unit" else level.sigma

    def _time(self, log_sigma_k: float, alpha: float) -> float:
        table = self.log_sigma_k
        high = bisect_left(table, log_sigma_k)
        if high == 0:
            return 0.0
        if high == len(table):
            return self.T
        low = table[high - 1]
        if math.isinf(table[high]):
            return high - alpha * math.hypot(1.0, math.exp(low))
        return high - 1 + (log_sigma_k - low) / (table[high] - low)


def vp(
    alphas_bar: Iterable[float], *, steps_offset: int = 0, final: str = "zero", start: str = "unit"
) -> Path:
    """The variance-preserving path of a table ᾱ_0 … ᾱ_T in (0, 1) that never rises.

    Only its last entry may be 0 (zero terminal SNR).
    """
    values = [float(a) for a in alphas_bar]
    falling = all(b <= a for a, b in pairwise(values))
    if len(values) < 2 or not falling or values[0] >= 1.0 or values[-2] <= 0.0 or values[-1] < 0.0:
        raise ValueError("alphas_bar must fall within (0, 1); only its end may be 0")
    table = tuple(math.inf if a == 0.0 else 0.5 * math.log((1.0 - a) / a) for a in values)
    return Path("vp", float(len(values) - 1), table, steps_offset, final, start=start)


def ve(sigma_max: float = 80.0) -> Path:
    """The variance-exploding path of EDM: alpha = 1, t = sigma."""
    return Path("ve", float(sigma_max), final="zero", start="sigma")


def flow(T: float = 1000.0, *, shift: float = 1.0) -> Path:
    """The straight path x_t = (1 - s)·x0 + s·eps with s = t/T (noise at s = 1, as SD3 counts).

    A `shift` over 1 makes runs spend more of their steps in noise; the path stays the same.
    """
    return Path("flow", float(T), final="zero", start="sigma", shift=float(shift))


def from_config(config: Mapping[str, Any]) -> Path:
    """The path of a diffusers `scheduler_config.json`, whatever scheduler wrote it."""
    T = int(config.get("num_train_timesteps", 1000))
    if not 1 < T <= MAX_TIMES:
        raise ValueError(f"it was trained at {T} times")
    if "sigma_data" in config:  # EDM's schedulers
        return ve(float(config.get("sigma_max", 80.0)))
    straight = "shift" in config and "beta_schedule" not in config  # a flow-matching scheduler
    if straight or config.get("use_flow_sigmas"):
        shift = float(config.get("shift", config.get("flow_shift", 1.0)))
        return replace(flow(float(T), shift=shift), growth=_growth(config))
    kept = config.get("set_alpha_to_one") is False
    last = config.get("final_sigmas_type") == "sigma_min"
    made = vp(
        schedules.from_config(config),
        steps_offset=int(config.get("steps_offset", 0)),
        final="kept" if kept or last else "zero",
    )
    return replace(made, last="kept" if last else "zero")


def _growth(config: Mapping[str, Any]) -> Growth | None:
    """Of `use_dynamic_shifting`; raises ValueError for a law that there is not."""
    if not config.get("use_dynamic_shifting"):
        return None
    law = config.get("time_shift_type", "exponential")
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base, top = float(config.get("base_shift", 0.5)), float(config.get("max_shift", 1.15))
    least = 0.0 if law == "linear" else -9.0
    if law not in ("exponential", "linear") or not 0 < low < high:
        raise ValueError(f"the shift grows by {str(law)[:20]!r} from {low} tokens to {high}")
    if not (least < base < 9.0 and least < top < 9.0):
        raise ValueError(f"the shift grows from {base:g} to {top:g}")
    return Growth((int(low), base), (int(high), top), law)


def _vp(sigma_k: float) -> tuple[float, float]:
    scale = math.hypot(1.0, sigma_k)
    return 1.0 / scale, sigma_k / scale
