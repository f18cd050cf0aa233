"""Schedules against published figures and diffusers' tables."""

from __future__ import annotations

import diffusers
import numpy as np
import pytest
import torch

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


def test_the_sigmoid_schedule_is_the_library_s():
    other = diffusers.DDPMScheduler(beta_schedule="sigmoid")
    np.testing.assert_allclose(schedules.sigmoid(), other.alphas_cumprod.double(), rtol=3e-4)


def test_wuerstchen_s_schedule_is_the_library_s():
    other = diffusers.DDPMWuerstchenScheduler()
    t = torch.arange(1, 1001).double() / 1000
    theirs = other._alpha_cumprod(t, torch.device("cpu"))
    np.testing.assert_allclose(schedules.wuerstchen(), theirs.numpy(), rtol=1e-4)


@pytest.mark.parametrize("name", [n for n in schedules.SCHEDULES if n != "wuerstchen"])
def test_zero_terminal_snr_is_the_library_s_for_any_schedule(name):
    bar = schedules.SCHEDULES[name]()
    other = diffusers.schedulers.scheduling_ddim.rescale_zero_terminal_snr(
        torch.from_numpy(schedules.betas(bar))
    )
    np.testing.assert_allclose(
        schedules.zero_terminal_snr(bar), torch.cumprod(1 - other, 0).numpy(), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_every_schedule_falls_from_data_to_noise(name):
    bar = schedules.SCHEDULES[name]()
    assert bar.shape == (1000,)
    assert (np.diff(bar) <= 0).all()
    assert bar[0] > 0.99
    assert bar[-1] < 0.01


def test_snr_and_its_logarithm():
    np.testing.assert_allclose(schedules.snr([0.8, 0.5]), [4.0, 1.0])
    np.testing.assert_allclose(schedules.logsnr([0.5, 0.0]), [0.0, -np.inf])


def test_a_respaced_process_passes_the_same_levels():
    bar, keep = schedules.cosine(), [0, 250, 500, 999]
    short = schedules.respaced(bar, keep)
    np.testing.assert_allclose(schedules.alphas_bar(schedules.betas(short)), bar[keep])


def test_a_shift_adds_twice_its_logarithm_to_the_log_ratio():
    for s in (0.1, 0.5, 0.9):
        moved = schedules.shifted(s, 3.0)
        gain = 2 * np.log(moved / (1 - moved)) - 2 * np.log(s / (1 - s))
        assert gain == pytest.approx(2 * np.log(3.0))


def test_the_shift_for_a_resolution_is_the_library_s():
    other = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    s, tokens = 0.4, 1024
    mu = 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    ours = schedules.shifted(s, schedules.resolution_shift(tokens))
    assert ours == pytest.approx(float(other.time_shift(mu, 1.0, torch.tensor(s))), rel=1e-6)
