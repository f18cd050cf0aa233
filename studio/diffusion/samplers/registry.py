"""Every sampler there is. Choices in the interface, the docs and the tests derive from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studio.diffusion.path import Level, Path
from studio.diffusion.samplers.adams import lms, plms
from studio.diffusion.samplers.ask import Run
from studio.diffusion.samplers.ddim import ddim, euler, euler_ancestral
from studio.diffusion.samplers.ddpm import ddpm
from studio.diffusion.samplers.deis import deis
from studio.diffusion.samplers.dpmpp import dpmpp_2m, dpmpp_2m_sde, dpmpp_2s, dpmpp_3m_sde
from studio.diffusion.samplers.edm import edm
from studio.diffusion.samplers.heun import dpm2, heun
from studio.diffusion.samplers.langevin import annealed_langevin, predictor_corrector
from studio.diffusion.samplers.lcm import lcm
from studio.diffusion.samplers.unipc import unipc
from studio.diffusion.spacing import levels


@dataclass(frozen=True, slots=True)
class Sampler:
    """A method and what must be known to offer it.

    Call `method(x, path, levels, noise=noise, **options)`; `options` names the keywords that
    this one has beyond `noise`. `order` is the nominal one of a deterministic method; measured
    orders are in docs/methods.md. `evaluations` are the questions of a usual step. One that
    `keeps` ends where the checkpoint's `set_alpha_to_one` says, as the schedulers do that read
    it; the others end clean.
    """

    method: Callable[..., Run]
    label: str
    hint: str
    order: int = 1
    evaluations: int = 1
    stochastic: bool = False
    options: tuple[str, ...] = ()
    keeps: bool = False


def levels_of(sampler: Sampler, path: Path, steps: int, spacing: str) -> tuple[Level, ...]:
    """The levels of a run of this sampler, as `spacing.levels`; where it ends is the sampler's."""
    return levels(path, steps, spacing, final=path.final if sampler.keeps else path.last)


SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(
        ddim,
        "DDIM",
        "The plain walk along the flow; η adds fresh noise.",
        options=("eta",),
        keeps=True,
    ),
    "euler": Sampler(euler, "Euler", "DDIM at η = 0 under its other name."),
    "dpmpp_2m": Sampler(
        dpmpp_2m, "DPM-Solver++ 2M", "Sharp in few steps; looks back one step.", order=2
    ),
    "unipc": Sampler(
        unipc, "UniPC", "Every answer also corrects the step before it.", 2, options=("order",)
    ),
    "deis": Sampler(
        deis, "DEIS", "Remembers three answers and integrates exactly.", 3, options=("order",)
    ),
    "heun": Sampler(heun, "Heun", "Looks ahead and corrects itself; two evaluations a step.", 2, 2),
    "dpm2": Sampler(dpm2, "DPM2", "Asks half way, then takes the whole step.", 2, 2),
    "dpmpp_2s": Sampler(
        dpmpp_2s, "DPM-Solver++ 2S", "As 2M, but asks half way instead of looking back.", 2, 2
    ),
    "lms": Sampler(lms, "LMS", "Adams' method over the last four answers.", 4, options=("order",)),
    "plms": Sampler(
        plms, "PNDM", "Stable Diffusion's first sampler: mixes four answers.", 2, keeps=True
    ),
    "euler_ancestral": Sampler(
        euler_ancestral,
        "Euler ancestral",
        "Never settles: fresh noise in every step.",
        stochastic=True,
    ),
    "ddpm": Sampler(
        ddpm,
        "DDPM",
        "The original: draws each step from the posterior.",
        stochastic=True,
        options=("variance",),
    ),
    "dpmpp_2m_sde": Sampler(
        dpmpp_2m_sde,
        "DPM-Solver++ 2M SDE",
        "DDPM's noise with 2M's look back.",
        stochastic=True,
    ),
    "dpmpp_3m_sde": Sampler(
        dpmpp_3m_sde,
        "DPM-Solver++ 3M SDE",
        "As 2M SDE, looking back two steps.",
        stochastic=True,
    ),
    "edm": Sampler(
        edm,
        "EDM stochastic",
        "Adds a little noise, then takes away more.",
        evaluations=2,
        stochastic=True,
        options=("churn", "low", "high", "swell"),
    ),
    "lcm": Sampler(
        lcm,
        "LCM",
        "For distilled models: jumps to the end and noises again.",
        stochastic=True,
    ),
    "annealed_langevin": Sampler(
        annealed_langevin,
        "Annealed Langevin",
        "Climbs the score and shakes, five times at every level.",
        evaluations=5,
        stochastic=True,
        options=("inner", "stride"),
    ),
    "predictor_corrector": Sampler(
        predictor_corrector,
        "Predictor-corrector",
        "Shakes at each level before it moves on.",
        evaluations=2,
        stochastic=True,
        options=("snr",),
    ),
}
