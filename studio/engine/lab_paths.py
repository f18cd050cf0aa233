"""Schedules by name, for the Noise tab: from a `noising.Schedule` to levels and their curves.

Plain floats, no torch. Everything is on a scale where noise alone is N(0, 1): EDM's exploding
path is shown divided by √(1 + sigma²), which changes no SNR.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studio.diffusion import densities, schedules
from studio.diffusion.forward import posterior
from studio.diffusion.path import Level, Path, flow, vp
from studio.errors import BadRequest
from studio.noising import Curves, Density, Row, Schedule

FULL = 1000  # the number of steps that the linear schedules' βs are meant for
MOST_BETA = 0.999
RHO, SIGMA_LOW, SIGMA_HIGH = 7.0, 0.002, 80.0  # Karras et al. 2022, table 1
OWN = "model"  # the checkpoint's own


@dataclass(frozen=True, slots=True)
class Way:
    """A schedule that can be walked: levels by share, 0 clean to 1, in T steps."""

    path: Path
    T: int
    shift: float = 1.0

    def level(self, share: float) -> Level:
        """The level at this share of the way."""
        share = schedules.shifted(share, self.shift) if self.path.kind == "flow" else share
        return self.path.level(self.path.T * min(max(share, 0.0), 1.0))

    def levels(self) -> list[Level]:
        """The T levels of the schedule, cleanest first."""
        return [self.level(k / (self.T - 1)) for k in range(self.T)]

    def before(self, share: float) -> Level:
        """The level one step cleaner than the one at this share."""
        back = share - 1.0 / (self.T - 1)
        return self.level(back) if back > -1e-9 else self.path.clean


def way(schedule: Schedule, own: Path | None = None) -> Way:
    """The way of a schedule; `own` is the checkpoint's path. Raises BadRequest."""
    if schedule.id == OWN:
        if own is None:
            raise BadRequest("The model's own schedule needs a model; choose one from the list.")
        return Way(own, int(own.T) + (own.kind == "vp"), own.shift)
    if schedule.id == "flow":
        return Way(flow(float(schedule.T)), schedule.T + 1, schedule.shift)
    if schedule.id not in _TABLES:
        raise BadRequest(
            f"There is no schedule {str(schedule.id)[:40]!r}; choose one of {', '.join(names())}."
        )
    table = np.minimum(_TABLES[schedule.id](schedule), 1.0 - 1e-12)
    if schedule.zero_snr:
        table = schedules.zero_terminal_snr(table)
        if table[-2] <= 0.0:
            raise BadRequest("This schedule ends flat; it cannot be rescaled to end at SNR 0.")
    return Way(vp(table), len(table))


def names() -> tuple[str, ...]:
    """The schedules there are."""
    return (*_TABLES, "flow", OWN)


def curves(id: str, way: Way, square: float) -> Curves:
    """The whole schedule in numbers; `square` is the mean of x0² that KL is counted with."""
    levels = way.levels()
    befores = [way.path.clean, *levels[:-1]]
    posts = [_posterior(here, there) for here, there in zip(levels, befores, strict=True)]
    return Curves(
        id=id,
        kind=way.path.kind,
        share=_finite(k / (way.T - 1) for k in range(way.T)),
        alpha=_finite(v.alpha for v in levels),
        sigma=_finite(v.sigma for v in levels),
        alpha_bar=_finite(map(alpha_bar, levels)),
        beta=_finite(beta(*pair) for pair in zip(befores, levels, strict=True)),
        snr=_finite(v.snr for v in levels),
        logsnr=_finite(v.logsnr for v in levels),
        kl=_finite(kl(v, square) for v in levels),
        post_x0=_finite(p[0] for p in posts),
        post_xt=_finite(p[1] for p in posts),
        post_var=_finite(p[2] for p in posts),
    )


def row(way: Way, share: float, square: float, mean: float, std: float) -> Row:
    """The numbers of one level; the moments of x_t come from whoever has it."""
    level = way.level(share)
    return Row(
        t=share,
        alpha=level.alpha,
        sigma=level.sigma,
        alpha_bar=alpha_bar(level),
        beta=beta(way.before(share), level),
        snr=_or_none(level.snr),
        logsnr=_or_none(level.logsnr),
        kl=_or_none(kl(level, square)),
        mean=mean,
        std=std,
    )


def alpha_bar(level: Level) -> float:
    """alpha²/(alpha² + sigma²): ᾱ on a variance-preserving path, and what compares on others."""
    return level.alpha**2 / (level.alpha**2 + level.sigma**2)


def beta(here: Level, there: Level) -> float:
    """The variance that q(x_there | x_here) adds; β_t between neighbours of a VP path."""
    return max(0.0, there.sigma**2 - (there.alpha / here.alpha * here.sigma) ** 2)


def kl(level: Level, square: float) -> float:
    """KL(N(alpha·x0, sigma²) ‖ N(0, 1)) in nats per value, from the mean of x0²; inf when clean."""
    if level.clean:
        return math.inf
    variance = level.sigma**2
    return 0.5 * (variance + level.alpha**2 * square - 1.0 - math.log(variance))


def training_densities(points: int) -> tuple[Density, ...]:
    """How often training draws each time, at the middles of `points` equal parts of (0, 1)."""
    t = (np.arange(points) + 0.5) / points
    return tuple(
        Density(id, tuple(float(v) for v in make().pdf(t)))
        for id, make in densities.DENSITIES.items()
    )


def _posterior(here: Level, there: Level) -> tuple[float, float, float]:
    if here.clean:
        return math.nan, math.nan, math.nan
    from_x0, variance = posterior(1.0, 0.0, here, there)
    from_xt, _ = posterior(0.0, 1.0, here, there)
    return from_x0, from_xt, variance


def _scaled(make: Callable[..., np.ndarray], start: float, end: float) -> Callable:
    def table(schedule: Schedule) -> np.ndarray:
        by = FULL / schedule.T if schedule.scaled else 1.0
        full = schedules.betas(make(schedule.T, start, end))
        return schedules.alphas_bar(np.minimum(full * by, MOST_BETA))

    return table


def _karras(schedule: Schedule) -> np.ndarray:
    """ᾱ of sigma^(1/ρ) in equal steps (Karras et al. 2022, eq. 5)."""
    low, high = SIGMA_LOW ** (1 / RHO), SIGMA_HIGH ** (1 / RHO)
    return 1.0 / (1.0 + np.linspace(low, high, schedule.T) ** (2 * RHO))


def _finite(values) -> tuple[float | None, ...]:
    return tuple(map(_or_none, values))


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


_TABLES: dict[str, Callable[[Schedule], np.ndarray]] = {
    "linear": _scaled(schedules.linear, 1e-4, 0.02),
    "scaled_linear": _scaled(schedules.scaled_linear, 0.00085, 0.012),
    "cosine": lambda schedule: schedules.cosine(schedule.T),
    "sigmoid": _scaled(schedules.sigmoid, 1e-4, 0.02),
    "wuerstchen": lambda schedule: schedules.wuerstchen(schedule.T),
    "karras": _karras,
}
