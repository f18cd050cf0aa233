"""The further samplers against diffusers' schedulers, state by state; see test_parity."""

from __future__ import annotations

import math
from types import SimpleNamespace

import diffusers
import pytest
import torch

from studio.diffusion.drive import answering
from studio.diffusion.path import Level, flow, ve
from studio.diffusion.prediction import kind_of
from studio.diffusion.samplers.registry import SAMPLERS
from tests.diffusion.library import (
    PREDICTIONS,
    SD,
    assert_same,
    path_of,
    ran,
    ran_in_sigma,
    recorded,
    sigma_levels,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]
STEPS = (3, 14, 27)
SPACINGS = ("leading", "trailing", "linspace")


def place_of(path, t):
    """Their t as a level; under 0 where they end clean."""
    return path.level(float(t)) if t >= 0 else path.clean


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", [*SPACINGS, "karras"])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_euler(walk, network, start, steps, spacing, kind):
    karras = spacing == "karras"
    scheduler = diffusers.EulerDiscreteScheduler(
        **SD, prediction_type=kind, steps_offset=1, use_karras_sigmas=karras,
        timestep_spacing="linspace" if karras else spacing,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    run = SAMPLERS["euler"].method(start, path_of(scheduler), places, noise=None)
    ours = walk(run, answering(network, kind_of(kind)))
    assert_same(ours, ran_in_sigma(scheduler, network, start, places))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize("name", ["euler", "heun"])
def test_the_flow_s_euler_and_heun(walk, network, start, steps, shift, name):
    kind = {"euler": "FlowMatchEulerDiscreteScheduler", "heun": "FlowMatchHeunDiscreteScheduler"}
    scheduler = getattr(diffusers, kind[name])(shift=shift)
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.double().tolist()
    sigmas = sigmas if name == "euler" else [sigmas[0], *sigmas[1::2]]
    places = [Level(1000.0 * s, 1.0 - s, s) for s in sigmas]
    ours = walk(SAMPLERS[name].method(start, flow(), places, noise=None), answering(network, "u"))
    x, theirs = start, []
    for t in scheduler.timesteps:
        if getattr(scheduler, "state_in_first_order", True):
            theirs.append(x)
        x = scheduler.step(network(x, t), t, x).prev_sample
    assert_same(ours, [*theirs, x])


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", [*SPACINGS, "karras"])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_dpm2(walk, network, start, steps, spacing, kind):
    karras = spacing == "karras"
    scheduler = diffusers.KDPM2DiscreteScheduler(
        **SD, prediction_type=kind, steps_offset=1, use_karras_sigmas=karras,
        timestep_spacing="linspace" if karras else spacing,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    sigmas = torch.cat([scheduler.sigmas[:1], scheduler.sigmas[1::2][:steps]])
    ts = scheduler.timesteps[::2]
    places = sigma_levels(scheduler, sigmas, ts)
    path = path_of(scheduler)
    run = SAMPLERS["dpm2"].method(start, path, places, noise=None)
    states = walk(run, answering(network, kind_of(kind)))
    assert_same(states, ran_in_sigma(scheduler, network, start, places))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_lms(walk, network, start, steps, spacing, kind):
    scheduler = diffusers.LMSDiscreteScheduler(
        **SD, prediction_type=kind, steps_offset=1, timestep_spacing=spacing
    )
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    run = SAMPLERS["lms"].method(start, path_of(scheduler), places, noise=None)
    ours = walk(run, answering(network, kind_of(kind)))
    assert_same(ours, ran_in_sigma(scheduler, network, start, places))


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 25])
@pytest.mark.parametrize("kept", [False, True])
def test_plms(walk, network, start, steps, kept):
    scheduler = diffusers.PNDMScheduler(
        **SD, skip_prk_steps=True, set_alpha_to_one=not kept, steps_offset=1,
        timestep_spacing="leading",
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    path = path_of(scheduler)
    ts = sorted({int(t) for t in scheduler.timesteps}, reverse=True)
    places = [*(place_of(path, t) for t in ts), path.final_kept if kept else path.clean]
    ours = walk(SAMPLERS["plms"].method(start, path, places, noise=None), answering(network, "eps"))
    theirs = ran(scheduler, network, start)
    if steps > 1:
        del theirs[1]  # the first try of its first step, which it takes again
    assert_same(ours, theirs)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("order", [2, 3])
def test_deis(walk, network, start, steps, spacing, kind, order):
    scheduler = diffusers.DEISMultistepScheduler(
        **SD, prediction_type=kind, steps_offset=1, timestep_spacing=spacing, solver_order=order
    )
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    run = SAMPLERS["deis"].method(start, path_of(scheduler), places, noise=None, order=order)
    assert_same(walk(run, answering(network, kind_of(kind))), ran(scheduler, network, start))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("kept", [False, True])
def test_unipc(walk, network, start, steps, spacing, kind, order, kept):
    scheduler = diffusers.UniPCMultistepScheduler(
        **SD, prediction_type=kind, steps_offset=1, timestep_spacing=spacing, solver_order=order,
        final_sigmas_type="sigma_min" if kept else "zero",
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    run = SAMPLERS["unipc"].method(start, path_of(scheduler), places, noise=None, order=order)
    assert_same(walk(run, answering(network, kind_of(kind))), ran(scheduler, network, start))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("kept", [False, True])
def test_dpmpp_2m_sde(walk, network, start, steps, spacing, kind, kept):
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **SD, prediction_type=kind, steps_offset=1, timestep_spacing=spacing,
        algorithm_type="sde-dpmsolver++", final_sigmas_type="sigma_min" if kept else "zero",
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    places = sigma_levels(scheduler, scheduler.sigmas, scheduler.timesteps)
    noise, generator = recorded(6, start.shape)
    run = SAMPLERS["dpmpp_2m_sde"].method(start, path_of(scheduler), places, noise=noise)
    ours = walk(run, answering(network, kind_of(kind)))
    assert_same(ours, ran(scheduler, network, start, generator=generator))


@pytest.mark.parametrize("steps", [4, 10, 20])
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_dpmpp_2s(walk, network, start, steps, kind):
    """Theirs takes the second of every two levels as the inner one: given ours half way in λ."""
    scheduler = diffusers.DPMSolverSinglestepScheduler(
        **SD, prediction_type=kind, solver_order=2, lower_order_final=False,
        final_sigmas_type="sigma_min",
    )  # fmt: skip
    scheduler.set_timesteps(2 * steps)
    path = path_of(scheduler)
    whole = [path.at(v) for v in torch.linspace(-5.0, 6.0, steps + 1).tolist()]
    halves = [path.at(v) for v in torch.linspace(-5.0, 6.0, 2 * steps + 1).tolist()]
    scheduler.sigmas = torch.tensor([lv.sigma_k for lv in halves])
    scheduler.timesteps = torch.tensor([lv.t for lv in halves[:-1]], dtype=torch.float64)
    run = SAMPLERS["dpmpp_2s"].method(start, path, whole, noise=None)
    ours = walk(run, answering(network, kind_of(kind)))
    assert_same(ours, ran(scheduler, network, start)[::2])


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_lcm(walk, network, start, steps):
    scheduler = diffusers.LCMScheduler(**SD, clip_sample=False)
    scheduler.set_timesteps(steps)
    path = path_of(scheduler)
    places = [*(path.level(float(t)) for t in scheduler.timesteps), path.clean]
    noise, generator = recorded(7, start.shape)
    ours = walk(SAMPLERS["lcm"].method(start, path, places, noise=noise), answering(network, "eps"))
    assert_same(ours, ran(scheduler, network, start, generator=generator))


@pytest.mark.parametrize("steps", [4, 12])
def test_wuerstchen_s_step_is_ddpm_s(walk, network, start, steps):
    scheduler = diffusers.DDPMWuerstchenScheduler()
    scheduler.set_timesteps(steps)
    device = torch.device("cpu")
    bars = [scheduler._alpha_cumprod(t, device).double().item() for t in scheduler.timesteps]
    ts = scheduler.timesteps.tolist()
    places = [Level(t, b**0.5, (1 - b) ** 0.5) for t, b in zip(ts, bars, strict=True)]
    noise, generator = recorded(8, start.shape)
    path = SimpleNamespace(kind="vp")
    ours = walk(
        SAMPLERS["ddpm"].method(start, path, places, noise=noise), answering(network, "eps")
    )
    x, theirs = start, [start]
    for t in scheduler.timesteps[:-1]:
        x = scheduler.step(network(x, t), t.expand(2), x, generator=generator).prev_sample
        theirs.append(x)
    assert_same(ours, theirs, upto=-1)  # it adds no noise in its last step, which ends at ᾱ < 1


def test_predictor_corrector_is_score_sde_s(walk, network):
    """On an exploding path, one picture: theirs averages the norms over the batch."""
    start = 50.0 * torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(9))
    scheduler = diffusers.ScoreSdeVeScheduler(
        num_train_timesteps=12, snr=0.16, sigma_min=0.01, sigma_max=50.0
    )
    scheduler.set_timesteps(12)
    scheduler.set_sigmas(12)
    sigmas = scheduler.discrete_sigmas.flip(0).double().tolist()
    path = ve(50.0)
    places = [*(Level(s, 1.0, s) for s in sigmas), path.clean]
    noise, _ = recorded(10, start.shape, 40)
    run = SAMPLERS["predictor_corrector"].method(
        start, path, places, noise=lambda step, stage: noise(2 * step + stage)
    )
    ours = walk(run, answering(lambda x, t: network(x / (1 + t), math.log(t)), "eps"))
    x, theirs, generator = start, [], torch.Generator().manual_seed(10)
    for level, t in zip(places, scheduler.timesteps, strict=False):
        theirs.append(x)
        score = -network(x / (1 + level.t), math.log(level.t)) / level.sigma
        x = scheduler.step_correct(score, x, generator=generator).prev_sample
        score = -network(x / (1 + level.t), math.log(level.t)) / level.sigma
        step = scheduler.step_pred(score, t, x, generator=generator)
        x = step.prev_sample
    assert_same(ours, [*theirs, step.prev_sample_mean])
