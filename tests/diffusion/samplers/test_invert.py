"""Inversions: against diffusers, and against the walk that they undo."""

from __future__ import annotations

import diffusers
import pytest
import torch

from studio.diffusion import schedules
from studio.diffusion.drive import answering, solve
from studio.diffusion.path import Level, vp
from studio.diffusion.samplers.ddim import ddim
from studio.diffusion.samplers.invert import ddim_inverse, edict, edict_inverse
from studio.diffusion.spacing import levels
from tests.diffusion.library import SD, assert_same, path_of

PATH = vp(schedules.scaled_linear())


@pytest.mark.parametrize("steps", [4, 20])
def test_ddim_s_inversion_is_the_library_s(walk, network, start, steps):
    scheduler = diffusers.DDIMInverseScheduler(**SD, clip_sample=False, steps_offset=1)
    scheduler.set_timesteps(steps)
    path = path_of(scheduler)
    ts = scheduler.timesteps.tolist()
    first = path.level(ts[0] - 1000 // steps) if ts[0] >= 1000 // steps else path.clean
    ours = walk(
        ddim_inverse(start, path, [first, *(path.level(t) for t in ts)]),
        answering(network, "eps"),
    )
    x, theirs = start, []
    for t in scheduler.timesteps:
        theirs.append(x)
        x = scheduler.step(network(x, t), t, x).prev_sample
    assert_same(ours, [*theirs, x])


def test_more_rounds_bring_the_inversion_to_the_exact_inverse(network, start):
    places = levels(PATH, 40, "trailing", final="kept")
    denoise = answering(lambda x, t: 0.3 * network(x, t), "eps")
    end = solve(ddim(start.double(), PATH, places, noise=None), denoise)
    away = [
        float((solve(ddim_inverse(end, PATH, places[::-1], rounds=n), denoise) - start).abs().max())
        for n in (1, 4, 40)
    ]
    assert away[1] < away[0] / 5
    assert away[2] < 1e-6


def test_edict_is_undone_to_rounding(network, start):
    places = levels(PATH, 50, "leading", final="kept")
    denoise = answering(network, "eps")
    x, y = solve(edict(start.double(), PATH, places), denoise)
    back = solve(edict_inverse(x, PATH, places[::-1], y=y), denoise)
    for state in back:
        torch.testing.assert_close(state, start.double(), rtol=0, atol=1e-8)


def test_edict_agrees_with_ddim_in_many_steps(network, start):
    denoise = answering(network, "v")
    places = levels(PATH, 500, "trailing")
    x, y = solve(edict(start.double(), PATH, places), denoise)
    plain = solve(ddim(start.double(), PATH, places, noise=None), denoise)
    torch.testing.assert_close((x + y) / 2, plain, rtol=0, atol=0.02)


def test_a_state_without_data_is_refused(network, start):
    blind = Level(999.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="alpha is 0"):
        solve(edict(start, PATH, [blind, PATH.level(5.0)]), answering(network, "v"))
