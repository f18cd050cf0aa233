"""A Brownian motion read in steps: its laws, and that finer runs refine the same walk."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from studio.diffusion import schedules
from studio.diffusion.brownian import BrownianNoise
from studio.diffusion.drive import solve
from studio.diffusion.mixture import mixture
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.path import vp
from studio.diffusion.samplers.ddpm import ddpm

PATH = vp(schedules.linear())
DRAWN = KeyedNoise(range(3), (1, 20, 20))


def ramp(steps):
    return tuple(PATH.at(float(v)) for v in np.linspace(-6.0, 6.0, steps + 1))


def test_a_step_s_noise_is_standard_normal():
    noise = BrownianNoise(KeyedNoise([5], (50, 40)), ramp(4))
    for step in range(4):
        assert stats.kstest(noise(step).flatten().numpy(), "norm").pvalue > 0.001


def test_steps_are_independent():
    noise = BrownianNoise(DRAWN, ramp(6))
    drawn = torch.stack([noise(step).flatten() for step in range(6)])
    away = np.corrcoef(drawn.numpy()) - np.eye(6)
    assert np.abs(away).max() < 4.5 / drawn.shape[1] ** 0.5


def test_a_long_step_s_noise_is_that_of_its_parts():
    whole, parts = BrownianNoise(DRAWN, ramp(1)), BrownianNoise(DRAWN, ramp(4))
    together = sum(parts(step) for step in range(4)) / 2.0
    torch.testing.assert_close(whole(0), together, rtol=1e-4, atol=1e-4)


def test_a_picture_in_a_batch_has_the_motion_that_it_has_alone():
    noise = BrownianNoise(DRAWN, ramp(3))
    assert torch.equal(noise(1)[1:2], noise.keep([1])(1))


def test_the_ends_of_the_walk_have_noise_too():
    blind = PATH.at(-np.inf)
    noise = BrownianNoise(DRAWN, (blind, PATH.level(500), PATH.clean))
    assert float(noise(0).std()) == pytest.approx(1.0, abs=0.1)
    assert float(noise(1).std()) == pytest.approx(1.0, abs=0.1)


def test_a_step_of_no_length_has_no_noise():
    with pytest.raises(ValueError, match="no length"):
        BrownianNoise(DRAWN, (PATH.level(5), PATH.level(5)))(0)


def test_more_steps_refine_the_same_walk():
    twin = mixture([0.4, 0.6], [[-1.0], [0.8]], [0.3, 0.4])
    drawn = KeyedNoise(range(40), (1,))

    def end(steps, brownian):
        places = ramp(steps)
        noise = BrownianNoise(drawn, places) if brownian else drawn
        x = drawn.first().double()
        return solve(ddpm(x, PATH, places, noise=noise), twin.answer)

    away = {kind: float((end(40, kind) - end(80, kind)).abs().mean()) for kind in (True, False)}
    assert away[True] < 0.3 * away[False]
