"""Spacings: the library's own times, and the laws that hold for all of them."""

from __future__ import annotations

from itertools import pairwise

import diffusers
import numpy as np
import pytest
from scipy import stats

from studio.diffusion import schedules
from studio.diffusion.path import flow, ve, vp
from studio.diffusion.spacing import SPACINGS, _beta_quantiles, levels, respacing
from tests.diffusion.library import SD

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PATH = vp(schedules.scaled_linear(), steps_offset=1, final="kept")


@pytest.mark.parametrize("steps", [2, 3, 7, 10, 20, 27, 50, 100, 999, 1000])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_the_times_are_the_library_s(spacing, steps):
    if (spacing, steps) == ("leading", 1000):
        expected = [min(t + 1, 999) for t in range(999, -1, -1)]  # it would leave its table
    else:
        other = diffusers.DDIMScheduler(timestep_spacing=spacing, steps_offset=1)
        other.set_timesteps(steps)
        expected = other.timesteps.tolist()[:steps]
    assert [lv.t for lv in levels(PATH, steps, spacing)[:-1]] == expected


@pytest.mark.parametrize("steps", [1, 4, 25])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_run_has_one_level_more_than_steps_and_noise_falls(spacing, steps):
    places = levels(PATH, steps, spacing, final="zero")
    assert len(places) == steps + 1
    assert all(b.sigma < a.sigma for a, b in pairwise(places))
    assert places[-1].clean


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "karras"])
def test_a_run_begins_in_full_noise(spacing):
    assert levels(PATH, 5, spacing)[0].t == pytest.approx(999.0)


def test_the_last_level_is_the_path_s_unless_asked_otherwise():
    assert levels(PATH, 4)[-1] == PATH.final_kept
    assert levels(PATH, 4, final="zero")[-1] == PATH.clean


def test_karras_steps_are_equal_in_the_seventh_root():
    roots = [lv.sigma_k ** (1 / 7) for lv in levels(PATH, 6, "karras")[:-1]]
    gaps = [a - b for a, b in pairwise(roots)]
    assert gaps == pytest.approx([gaps[0]] * 5)


def test_karras_on_an_exploding_path_is_the_paper_s_table():
    sigmas = [lv.sigma for lv in levels(ve(80.0), 3, "karras")[:-1]]
    middle = ((80 ** (1 / 7) + 0.002 ** (1 / 7)) / 2) ** 7
    assert sigmas == pytest.approx([80.0, middle, 0.002])


@pytest.mark.parametrize(("steps", "spacing"), [(0, "trailing"), (1001, "leading"), (4, "zigzag")])
def test_what_cannot_be_is_refused(steps, spacing):
    with pytest.raises(ValueError, match=r"step|spacing"):
        levels(PATH, steps, spacing)


@pytest.mark.parametrize("steps", [2, 9, 20])
@pytest.mark.parametrize("name", ["karras", "exponential", "beta"])
def test_the_noise_levels_are_the_library_s(name, steps):
    other = diffusers.EulerDiscreteScheduler(
        **SD, timestep_spacing="linspace", **{f"use_{name}_sigmas": True}
    )
    other.set_timesteps(steps)
    ours = levels(PATH, steps, name, final="zero")
    assert [lv.sigma_k for lv in ours] == pytest.approx(other.sigmas.tolist(), rel=2e-4)
    assert [lv.t for lv in ours[:-1]] == pytest.approx(other.timesteps.tolist(), abs=0.05)


@pytest.mark.parametrize("steps", [3, 10, 25])
def test_sgm_uniform_is_the_multistep_solvers_linspace(steps):
    other = diffusers.DPMSolverMultistepScheduler(**SD, timestep_spacing="linspace")
    other.set_timesteps(steps)
    assert [lv.t for lv in levels(PATH, steps, "sgm_uniform")[:-1]] == other.timesteps.tolist()


def test_align_your_steps_at_ten_is_the_published_table():
    table = diffusers.schedulers.AysSchedules
    ours = levels(PATH, 10, "ays", final="zero")
    assert [lv.t for lv in ours[:-1]] == table["StableDiffusionTimesteps"]
    published = table["StableDiffusionSigmas"]
    assert [lv.sigma_k for lv in ours] == pytest.approx(published, rel=0.02, abs=2e-3)


def test_align_your_steps_at_twenty_passes_through_the_ten():
    ten, twenty = (levels(PATH, n, "ays", final="zero") for n in (10, 20))
    assert [lv.logsnr for lv in twenty[:-1:2]] == pytest.approx([lv.logsnr for lv in ten[:-1]])


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "sgm_uniform"])
def test_a_flow_starts_in_pure_noise(spacing):
    assert levels(flow(), 8, spacing)[0] == flow().level(1000.0)


def test_a_flow_s_linspace_is_the_library_s():
    other = diffusers.FlowMatchEulerDiscreteScheduler()
    other.set_timesteps(7)
    ours = [lv.sigma for lv in levels(flow(), 7, "linspace")]
    assert ours == pytest.approx(other.sigmas.tolist(), rel=1e-6)


@pytest.mark.parametrize("shift", [0.5, 3.0])
def test_a_shifted_flow_s_linspace_is_the_library_s(shift):
    other = diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)
    other.set_timesteps(7)
    ours = [lv.sigma for lv in levels(flow(shift=shift), 7, "linspace")]
    assert ours == pytest.approx(other.sigmas.tolist(), rel=1e-5)


def test_a_shifted_flow_visits_the_library_s_levels():
    other = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    other.set_timesteps(sigmas=[1.0, 0.75, 0.5, 0.25])
    ours = levels(flow(shift=3.0), 4, "trailing")
    assert [lv.sigma for lv in ours] == pytest.approx(other.sigmas.tolist(), rel=1e-6)
    assert [lv.t for lv in ours[:-1]] == pytest.approx(other.timesteps.tolist(), rel=1e-6)


@pytest.mark.parametrize("counts", [[25], [10, 15, 20], [1, 1], [100, 200]])
def test_respacing_keeps_so_many_of_each_section_with_its_ends(counts):
    kept = respacing(1000, counts)
    assert len(kept) == sum(counts) == len(set(kept))
    assert kept == sorted(kept)
    assert kept[0] == 0
    assert kept[-1] == (999 if counts[-1] > 1 else 500)


def test_respacing_by_250_is_every_fourth_or_so():
    assert set(np.diff(respacing(1000, [250]))) <= {4, 5}


def test_a_section_too_short_is_refused():
    with pytest.raises(ValueError, match="keep"):
        respacing(10, [8, 8])


def test_the_quantiles_of_beta():
    p = np.linspace(0.0, 1.0, 101)
    np.testing.assert_allclose(_beta_quantiles(p), stats.beta.ppf(p, 0.6, 0.6), atol=1e-6)
