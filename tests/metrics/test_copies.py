"""Nearness of pictures to each other, and where copies end."""

import numpy as np
import pytest

from studio.metrics import copies
from studio.metrics.copies import apart, nearest, small, threshold

DRAW = np.random.default_rng(0)


def test_a_picture_is_no_way_from_itself_and_black_is_one_from_white():
    white, black = np.full((64, 64, 3), 255, np.uint8), np.zeros((64, 64, 3), np.uint8)
    assert apart(small([white, white]), small([white, black])) == pytest.approx([0.0, 1.0])


def test_noise_on_single_pixels_counts_a_fourth_at_four_times_the_side():
    plain = np.full((128, 128, 3), 128, np.uint8)
    noisy = (128 + DRAW.normal(0, 20, plain.shape)).round().clip(0, 255).astype(np.uint8)
    found = apart(small([plain]), small([noisy]))[0]
    assert found == pytest.approx(20 / 255 / 4, rel=0.1)


def test_the_nearest_is_found_as_by_trying_all(monkeypatch):
    monkeypatch.setattr(copies, "BLOCK", 4)
    x, y = DRAW.random((10, 30)).astype(np.float32), DRAW.random((15, 30)).astype(np.float32)
    all_of_them = np.sqrt(np.square(x[:, None] - y).mean(2))
    places, found = nearest(x, y)
    assert places.tolist() == all_of_them.argmin(1).tolist()
    assert found == pytest.approx(all_of_them.min(1), rel=1e-5)


def test_the_threshold_lies_between_kinds_that_are_apart_and_makes_no_mistake():
    at, missed, taken = threshold(np.array([0.01, 0.02]), np.array([0.1, 0.4, 0.3]))
    assert at == pytest.approx(0.06) and (missed, taken) == (0.0, 0.0)


def test_where_kinds_overlap_the_mistakes_are_said():
    at, missed, taken = threshold(np.array([1.0, 2.0, 3.0, 9.0]), np.array([4.0, 8.0, 10.0, 12.0]))
    assert 3 < at < 4 and (missed, taken) == (0.25, 0.0)
