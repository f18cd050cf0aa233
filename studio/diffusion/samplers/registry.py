"""Every sampler there is. Choices in the interface, the docs and the tests derive from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studio.diffusion.samplers.ask import Run
from studio.diffusion.samplers.ddim import ddim, euler_ancestral
from studio.diffusion.samplers.ddpm import ddpm
from studio.diffusion.samplers.dpmpp import dpmpp_2m
from studio.diffusion.samplers.heun import heun


@dataclass(frozen=True, slots=True)
class Sampler:
    """A method and what must be known to offer it.

    Call `method(x, path, levels, noise=noise, **options)`; `options` names the keywords that
    this one has beyond `noise`. `order` is the nominal one of a deterministic method; measured
    orders are in docs/methods.md. `evaluations` are the questions of a usual step.
    """

    method: Callable[..., Run]
    label: str
    hint: str
    order: int = 1
    evaluations: int = 1
    stochastic: bool = False
    options: tuple[str, ...] = ()


SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(
        ddim, "DDIM", "The plain walk along the flow; η adds fresh noise.", options=("eta",)
    ),
    "dpmpp_2m": Sampler(
        dpmpp_2m, "DPM-Solver++ 2M", "Sharp in few steps; looks back one step.", order=2
    ),
    "heun": Sampler(heun, "Heun", "Looks ahead and corrects itself; two evaluations a step.", 2, 2),
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
}
