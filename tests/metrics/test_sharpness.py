"""Sharpness against scikit-image's Laplacian and against a wave's own."""

import numpy as np
import pytest
from skimage.filters import gaussian, laplace

from studio.metrics.sharpness import LUMA, sharpness

NOISE = np.random.default_rng(1).integers(0, 256, (32, 24, 3), dtype=np.uint8)


def test_it_is_the_rms_of_scikit_images_laplacian_inside():
    theirs = laplace(NOISE.astype(float) @ LUMA)[1:-1, 1:-1]
    assert sharpness(NOISE) == pytest.approx(float(np.sqrt(np.mean(theirs**2))), rel=1e-9)


def test_a_waves_is_its_spread_times_what_the_laplacian_makes_of_its_frequency():
    turns = 2 * np.pi / 8
    wave = 127 + 100 * np.sin(turns * np.arange(2 + 8 * 40))
    rgb = np.repeat(np.round(wave)[None, :, None], 5, 0).repeat(3, 2).astype(np.uint8)
    expected = 100 / np.sqrt(2) * (2 - 2 * np.cos(turns))
    assert sharpness(rgb) == pytest.approx(expected, rel=0.01)


def test_a_flat_picture_has_none_and_blurring_takes_it_away():
    assert sharpness(np.full((9, 9, 3), 77, np.uint8)) == pytest.approx(0.0, abs=1e-9)
    blurred = gaussian(NOISE, 1.0, channel_axis=-1, preserve_range=True).astype(np.uint8)
    assert sharpness(blurred) < 0.3 * sharpness(NOISE)


def test_a_picture_without_an_inside_has_none():
    assert sharpness(NOISE[:2]) == 0.0
