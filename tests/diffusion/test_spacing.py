"""Spacings: the library's own times, and the laws that hold for all of them."""

from __future__ import annotations

from itertools import pairwise

import diffusers
import pytest

from studio.diffusion import schedules
from studio.diffusion.path import ve, vp
from studio.diffusion.spacing import SPACINGS, levels

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
