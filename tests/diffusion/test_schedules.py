"""Schedules against published figures and diffusers' tables."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest

from studio.diffusion import schedules

PUBLISHED = {"linear": 0.006353, "cosine": 4.9e-5, "scaled_linear": 0.068265}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_signal_left_at_the_end(name):
    assert np.sqrt(schedules.SCHEDULES[name]()[-1]) == pytest.approx(PUBLISHED[name], rel=0.01)


@pytest.mark.parametrize(
    ("name", "theirs", "ends"),
    [
        ("linear", "linear", (1e-4, 0.02)),
        ("scaled_linear", "scaled_linear", (0.00085, 0.012)),
        ("cosine", "squaredcos_cap_v2", (1e-4, 0.02)),
    ],
)
def test_every_entry_is_the_library_s(name, theirs, ends):
    other = diffusers.DDPMScheduler(beta_schedule=theirs, beta_start=ends[0], beta_end=ends[1])
    ours = schedules.SCHEDULES[name]()
    np.testing.assert_allclose(ours, other.alphas_cumprod.double().numpy(), rtol=3e-4)


def test_betas_and_alphas_bar_are_inverse():
    betas = np.linspace(0.01, 0.3, 20)
    np.testing.assert_allclose(schedules.betas(schedules.alphas_bar(betas)), betas, rtol=1e-12)


def test_an_unscaled_linear_schedule_of_300_steps_leaves_signal():
    assert np.sqrt(schedules.linear(300)[-1]) == pytest.approx(0.219, abs=1e-3)


def test_zero_terminal_snr_keeps_the_start_and_ends_at_zero():
    bar = schedules.scaled_linear()
    rescaled = schedules.zero_terminal_snr(bar)
    assert rescaled[0] == pytest.approx(bar[0], rel=1e-12)
    assert rescaled[-1] == 0.0


def test_trained_betas_win():
    bar = schedules.from_config({"trained_betas": [0.1, 0.2], "num_train_timesteps": 2})
    np.testing.assert_allclose(bar, [0.9, 0.72])


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="spiral"):
        schedules.from_config({"beta_schedule": "spiral"})
