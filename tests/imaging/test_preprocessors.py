"""Hints from drawn pictures whose edges are known."""

import cv2
import numpy as np
import pytest

from studio.imaging.preprocessors import PREPROCESSORS, draw, strokes


def disc(radius: int = 30, size: int = 128) -> np.ndarray:
    picture = np.full((size, size, 3), 255, np.uint8)
    cv2.circle(picture, (size // 2, size // 2), radius, (200, 30, 30), -1)
    return picture


def radii(hint: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(hint[..., 0])
    return np.hypot(x - hint.shape[1] // 2, y - hint.shape[0] // 2)


@pytest.mark.parametrize("name", PREPROCESSORS)
@pytest.mark.parametrize("size", [(128, 128), (96, 160), (1, 1), (7, 300)])
def test_a_hint_has_the_pictures_size_and_three_channels(name, size):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    hint = PREPROCESSORS[name](picture)
    assert hint.shape == picture.shape and hint.dtype == np.uint8


@pytest.mark.parametrize("name", ["canny", "scribble"])
def test_lines_are_black_and_white_and_a_plain_picture_has_none(name):
    assert set(np.unique(PREPROCESSORS[name](disc()))) == {0, 255}
    assert PREPROCESSORS[name](np.full((64, 64, 3), 90, np.uint8)).max() == 0


def test_canny_finds_the_discs_rim_to_a_pixel():
    found = radii(PREPROCESSORS["canny"](disc(30)))
    assert np.abs(found - 30).max() <= 2
    assert len(found) > 2 * np.pi * 30 * 0.6


def test_a_higher_threshold_of_canny_drops_the_faint_disc():
    faint = np.where(disc() == 255, 255, 225).astype(np.uint8)
    assert PREPROCESSORS["canny"](faint, low=20, high=60).any()
    assert not PREPROCESSORS["canny"](faint, low=300, high=400).any()


def test_a_scribbles_line_is_as_wide_as_its_pen():
    thin, thick = (PREPROCESSORS["scribble"](disc(), width=w)[..., 0] > 0 for w in (1, 7))
    assert thin.sum() < thick.sum() / 2
    assert np.abs(radii(PREPROCESSORS["scribble"](disc(), width=1)) - 30).max() <= 4


def test_short_contours_are_left_out_of_a_scribble():
    picture = disc(30)
    cv2.circle(picture, (8, 8), 3, (0, 0, 0), -1)
    assert len(strokes(picture, 1.0, 60)) < len(strokes(picture, 1.0, 2))


def test_strokes_are_drawn_closed():
    square = np.array([[8, 8], [24, 8], [24, 24], [8, 24]], np.float32)
    paper = draw([square], (32, 32), 1)
    assert paper[8:25, 8].all() and paper[8, 8:25].all()
    assert (paper > 0).sum() == 4 * 16


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_every_setting_is_within_its_range_by_default(name):
    for setting in PREPROCESSORS[name].settings:
        assert setting.least <= setting.default <= setting.most
