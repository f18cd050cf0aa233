"""Levels and paths: identities, inverses, the ends, and a checkpoint's configuration."""

from __future__ import annotations

import math
from itertools import pairwise

import diffusers
import numpy as np
import pytest

from studio.diffusion import schedules
from studio.diffusion.path import Level, flow, from_config, ve, vp
from studio.diffusion.spacing import levels

PATHS = {
    "linear": vp(schedules.linear()),
    "scaled_linear": vp(schedules.scaled_linear()),
    "cosine": vp(schedules.cosine()),
    "zero_snr": vp(schedules.zero_terminal_snr(schedules.scaled_linear())),
    "flow": flow(),
    "ve": ve(),
}


def test_a_level_names_its_ratios():
    level = Level(10.0, 0.8, 0.6)
    assert level.snr == pytest.approx(16 / 9)
    assert level.logsnr == pytest.approx(2 * math.log(4 / 3))
    assert level.sigma_k == pytest.approx(0.75)


def test_the_ends_have_infinite_ratios():
    assert Level(0, 1.0, 0.0).logsnr == math.inf == Level(0, 1.0, 0.0).snr
    assert Level(9, 0.0, 1.0).logsnr == -math.inf
    assert Level(9, 0.0, 1.0).sigma_k == math.inf


@pytest.mark.parametrize("name", ["linear", "scaled_linear", "cosine", "zero_snr"])
def test_variance_is_preserved(name):
    for t in np.linspace(0, 999, 57):
        level = PATHS[name].level(t)
        assert level.alpha**2 + level.sigma**2 == pytest.approx(1.0, abs=1e-12)


def test_the_table_is_met_at_whole_times():
    bar, path = schedules.linear(), PATHS["linear"]
    for t in (0, 1, 500, 999):
        assert path.level(t).alpha == pytest.approx(math.sqrt(bar[t]), rel=1e-12)
        assert path.level(t).sigma == pytest.approx(math.sqrt(1 - bar[t]), rel=1e-9)


def test_between_whole_times_the_logarithm_of_sigma_k_is_linear():
    path = PATHS["linear"]
    low, high = path.level(10).sigma_k, path.level(11).sigma_k
    assert path.level(10.25).sigma_k == pytest.approx(low**0.75 * high**0.25, rel=1e-12)


@pytest.mark.parametrize("name", PATHS)
def test_at_is_the_inverse_of_level(name):
    path = PATHS[name]
    for t in np.linspace(0.3, path.T * 0.9995, 61):
        level = path.level(t)
        back = path.at(level.logsnr)
        assert back.t == pytest.approx(t, rel=1e-7)
        assert back.alpha == pytest.approx(level.alpha, rel=1e-9)
        assert back.sigma == pytest.approx(level.sigma, rel=1e-9)


@pytest.mark.parametrize("name", PATHS)
def test_noise_grows_with_time(name):
    values = [PATHS[name].level(t).logsnr for t in np.linspace(0.01, PATHS[name].T, 200)]
    assert all(b < a for a, b in pairwise(values))


def test_levels_beyond_the_table_keep_their_noise_and_clip_their_time():
    path = PATHS["scaled_linear"]
    assert path.at(20.0).t == 0.0
    assert path.at(20.0).logsnr == pytest.approx(20.0)
    assert path.at(-20.0).t == 999.0


def test_times_outside_the_path_are_refused():
    for t in (-0.5, 999.5):
        with pytest.raises(ValueError, match="outside"):
            PATHS["linear"].level(t)


def test_a_table_that_rises_is_refused():
    with pytest.raises(ValueError, match="fall"):
        vp([0.5, 0.6])


def test_zero_terminal_snr_ends_blind():
    assert PATHS["zero_snr"].level(999.0).blind
    assert PATHS["zero_snr"].at(-math.inf).blind


def test_the_share_of_time():
    path = PATHS["linear"]
    assert (path.share(path.level(999)), path.share(path.clean)) == (1.0, 0.0)


def test_the_first_state_s_rule():
    assert PATHS["linear"].first(PATHS["linear"].level(500)) == 1.0
    assert PATHS["ve"].first(PATHS["ve"].level(80.0)) == 80.0


@pytest.mark.parametrize(
    ("scheduler", "final", "offset"),
    [
        (diffusers.DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085,
                                 beta_end=0.012, set_alpha_to_one=False, steps_offset=1),
         "kept", 1),
        (diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2"), "zero", 0),
        (diffusers.DDIMScheduler(rescale_betas_zero_snr=True), "zero", 0),
        (diffusers.DPMSolverMultistepScheduler(final_sigmas_type="sigma_min"), "kept", 0),
    ],
    ids=["ddim", "ddpm", "zero-snr", "dpm"],
)  # fmt: skip
def test_a_scheduler_s_configuration_gives_its_own_table(scheduler, final, offset):
    path = from_config(dict(scheduler.config))
    assert (path.final, path.steps_offset) == (final, offset)
    for t in (0, 3, 400, 998):
        bar = float(scheduler.alphas_cumprod.double()[t])
        assert path.level(t).alpha ** 2 == pytest.approx(bar, rel=2e-4)


def test_a_flow_scheduler_s_configuration_gives_a_flow():
    path = from_config(dict(diffusers.FlowMatchEulerDiscreteScheduler().config))
    assert (path.kind, path.T) == ("flow", 1000.0)
    assert path.level(250.0) == Level(250.0, 0.75, 0.25)


def test_an_edm_scheduler_s_configuration_gives_an_exploding_path():
    path = from_config(dict(diffusers.EDMEulerScheduler(sigma_max=60.0).config))
    assert (path.kind, path.T, path.start) == ("ve", 60.0, "sigma")


def test_a_flow_s_shift_is_read_from_its_configuration():
    config = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0).config
    assert from_config(dict(config)).shift == 3.0


@pytest.mark.parametrize("law", ["exponential", "linear"])
@pytest.mark.parametrize("side", [32, 64, 128])
def test_a_shift_that_grows_with_the_picture_is_the_library_s(law, side):
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    given = {"use_dynamic_shifting": True, "time_shift_type": law, "max_shift": 1.3}
    other = diffusers.FlowMatchEulerDiscreteScheduler(**given)
    mu = calculate_shift((side // 2) ** 2, max_shift=1.3)
    other.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25], mu=mu)
    path = from_config(dict(other.config)).sized(side, side)
    ours = [level.sigma for level in levels(path, 4, "trailing")]
    assert ours == pytest.approx(other.sigmas.tolist(), rel=1e-6)


def test_a_shift_of_a_fixed_size_stays():
    path = from_config({"shift": 3.0})
    assert path.sized(8, 8) is path


@pytest.mark.parametrize(
    "said",
    [
        {"time_shift_type": "cubic"},
        {"base_shift": float("nan")},
        {"max_shift": 1e9},
        {"base_shift": -1.0, "time_shift_type": "linear"},
        {"base_image_seq_len": 4096},
    ],
)
def test_a_shift_that_grows_absurdly_is_refused(said):
    with pytest.raises(ValueError, match="shift grows"):
        from_config({"shift": 1.0, "use_dynamic_shifting": True} | said)


@pytest.mark.parametrize("times", [-1, 0, 1, 10**12])
def test_a_table_of_absurd_length_is_refused_before_it_is_made(times):
    with pytest.raises(ValueError, match="times"):
        from_config({"num_train_timesteps": times})
