"""Each sampler against diffusers' scheduler of the same name, state by state.

Both walk the same table with the same network (bounded, nonlinear in x and t) and the same
noise. Schedulers that work in sigma space hold x/alpha; their states are scaled back.
"""

from __future__ import annotations

import diffusers
import pytest
import torch

from studio.diffusion.drive import answering
from studio.diffusion.prediction import kind_of
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import levels
from tests.diffusion.library import (
    COSINE,
    LINEAR,
    PREDICTIONS,
    SD,
    assert_same,
    path_of,
    ran,
    ran_in_sigma,
    recorded,
    sigma_levels,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS = (1, 3, 10, 27)


@pytest.mark.parametrize("steps", [1, 4, 10, 25])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim(walk, network, start, steps, spacing, kind, kept, eta):
    scheduler = diffusers.DDIMScheduler(
        **SD, clip_sample=False, set_alpha_to_one=not kept, steps_offset=1,
        prediction_type=kind, timestep_spacing=spacing,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    path = path_of(scheduler, steps_offset=1, final="kept" if kept else "zero")
    noise, _ = recorded(1, start.shape)
    ours = walk(
        SAMPLERS["ddim"].method(start, path, levels(path, steps, spacing), noise=noise, eta=eta),
        answering(network, kind_of(kind)),
    )
    x, theirs = start, [start]
    for step, t in enumerate(scheduler.timesteps):
        done = scheduler.step(
            network(x, t), t, x, eta=eta, variance_noise=noise(step) if eta else None
        )
        x = done.prev_sample
        theirs.append(x)
    assert_same(ours, theirs)


@pytest.mark.parametrize("steps", [3, 10, 27])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_ddim_on_the_pairs_of_levels_that_the_library_steps_between(
    walk, network, start, steps, spacing
):
    """Its DDIM steps to t - N//n, which is not the next time of its own list with linspace, nor
    with trailing where n does not divide N; each of its steps is right."""
    scheduler = diffusers.DDIMScheduler(**SD, clip_sample=False, timestep_spacing=spacing)
    scheduler.set_timesteps(steps)
    path = path_of(scheduler)
    assert [lv.t for lv in levels(path, steps, spacing)[:-1]] == scheduler.timesteps.tolist()
    for t in scheduler.timesteps:
        to = int(t) - 1000 // steps
        pair = (path.level(float(t)), path.level(float(to)) if to >= 0 else path.clean)
        ours = walk(
            SAMPLERS["ddim"].method(start, path, pair, noise=None), answering(network, "eps")
        )
        theirs = scheduler.step(network(start, t), t, start).prev_sample
        assert_same(ours, [start, theirs])


@pytest.mark.parametrize("steps", STEPS[1:])  # its single linspace step starts at t = 0
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
@pytest.mark.parametrize("schedule", [LINEAR, COSINE], ids=["linear", "cosine"])
def test_ddpm(walk, network, start, steps, spacing, kind, variance, schedule):
    scheduler = diffusers.DDPMScheduler(
        **schedule, clip_sample=False, variance_type=variance,
        prediction_type=kind, timestep_spacing=spacing,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    path = path_of(scheduler)
    noise, generator = recorded(2, start.shape)
    run = SAMPLERS["ddpm"].method(
        start, path, levels(path, steps, spacing), noise=noise, variance=variance
    )
    ours = walk(run, answering(network, kind_of(kind)))
    theirs = ran(scheduler, network, start, generator=generator)
    # With β as its variance the library adds noise even where the last step ends clean, unless
    # that step starts at t = 0; the paper's last step (and ours) is the mean.
    noisy_end = variance == "fixed_large" and scheduler.timesteps[-1] > 0
    assert_same(ours, theirs, upto=-1 if noisy_end else None)


def test_ddpm_with_a_learned_range_of_variance(walk, network, start):
    scheduler = diffusers.DDPMScheduler(
        **LINEAR, clip_sample=False, variance_type="learned_range", timestep_spacing="leading"
    )
    scheduler.set_timesteps(10)
    path = path_of(scheduler)
    noise, generator = recorded(3, start.shape)
    plain = answering(network, "eps")

    def spread(x, t):
        return torch.tanh(network(x, t).flip(1))

    def denoise(ask):
        a = plain(ask)
        return type(a)(a.x, a.x0, a.eps, var=spread(ask.x, ask.level.t))

    run = SAMPLERS["ddpm"].method(
        start, path, levels(path, 10, "leading"), noise=noise, variance="learned_range"
    )
    both = ran(
        scheduler, lambda x, t: torch.cat([network(x, t), spread(x, t)], 1), start,
        generator=generator,
    )  # fmt: skip
    assert_same(walk(run, denoise), both)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_euler_ancestral(walk, network, start, steps, spacing, kind):
    scheduler = diffusers.EulerAncestralDiscreteScheduler(
        **SD, prediction_type=kind, timestep_spacing=spacing, steps_offset=1
    )
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    noise, generator = recorded(4, start.shape)
    ours = walk(
        SAMPLERS["euler_ancestral"].method(start, path_of(scheduler), places, noise=noise),
        answering(network, kind_of(kind)),
    )
    assert_same(ours, ran_in_sigma(scheduler, network, start, places, generator=generator))


@pytest.mark.parametrize("steps", STEPS[1:])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace", "karras"])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_heun(walk, network, start, steps, spacing, kind):
    karras = spacing == "karras"
    scheduler = diffusers.HeunDiscreteScheduler(
        **SD, prediction_type=kind, steps_offset=1, use_karras_sigmas=karras,
        timestep_spacing="linspace" if karras else spacing,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    sigmas = torch.cat([scheduler.sigmas[:1], scheduler.sigmas[1::2]])
    ts = torch.cat([scheduler.timesteps[:1], scheduler.timesteps[1::2]])
    places = sigma_levels(scheduler, sigmas, ts)
    path = path_of(scheduler)
    ours = walk(
        SAMPLERS["heun"].method(start, path, places, noise=None),
        answering(network, kind_of(kind)),
    )
    assert_same(ours, ran_in_sigma(scheduler, network, start, places))
    if karras:
        for mine, place in zip(levels(path, steps, "karras"), places, strict=True):
            assert mine.sigma == pytest.approx(place.sigma, rel=1e-4)
            assert mine.t == pytest.approx(place.t, rel=1e-3, abs=2e-3)


@pytest.mark.parametrize("steps", [1, 3, 10, 14, 15, 27])
@pytest.mark.parametrize(
    ("spacing", "kept"),  # not karras kept: its two last levels are equal, and h = 0 there
    [(s, k) for s in ("leading", "trailing", "linspace") for k in (False, True)]
    + [("karras", False)],
)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_dpmpp_2m(walk, network, start, steps, spacing, kind, kept):
    karras = spacing == "karras"
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **SD, prediction_type=kind, steps_offset=1, use_karras_sigmas=karras,
        timestep_spacing="linspace" if karras else spacing,
        final_sigmas_type="sigma_min" if kept else "zero",
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    path = path_of(scheduler)
    ours = walk(
        SAMPLERS["dpmpp_2m"].method(start, path, places, noise=None),
        answering(network, kind_of(kind)),
    )
    assert_same(ours, ran(scheduler, network, start))
    if karras:
        for mine, place in zip(levels(path, steps, "karras"), places[:-1], strict=False):
            assert mine.sigma == pytest.approx(place.sigma, rel=1e-4)
