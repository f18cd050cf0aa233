"""Soft hints of drawn pictures, against what is known of them."""

import cv2
import numpy as np
import pytest

from studio.imaging.filters import drawing, line_art, palette, soft_edge, tile


def step(low, high, size=64):
    """Left half `low`, right half `high`."""
    picture = np.full((size, size, 3), low, np.uint8)
    picture[:, size // 2 :] = high
    return picture


def test_a_soft_edge_lies_where_the_colour_changes_and_fades_beside_it():
    hint = soft_edge(step((255, 255, 255), (200, 30, 30)), blur=1.5, gain=1.0)[32, :, 0]
    assert hint.argmax() in (31, 32) and hint.max() == 255
    right = hint[32:42].astype(int)
    assert (np.diff(right) <= 0).all() and right[-1] == 0


def test_two_colours_of_one_grey_have_a_soft_edge_between_them():
    red, green = (200, 0, 0), (0, 102, 0)  # of equal luma
    greys = cv2.cvtColor(step(red, green), cv2.COLOR_RGB2GRAY)
    assert np.ptp(greys.astype(int)) <= 1
    assert soft_edge(step(red, green), 1.0, 1.0).max() == 255


def test_a_faint_slope_is_no_soft_edge():
    slope = np.repeat(np.linspace(100, 160, 128).astype(np.uint8)[None, :, None], 64, 0)
    assert soft_edge(np.repeat(slope, 3, 2), 1.0, 1.0).mean() < 100
    assert soft_edge(np.full((32, 32, 3), 90, np.uint8), 1.0, 1.0).max() == 0


def test_line_art_finds_dark_lines_and_not_light_ones():
    picture = np.full((64, 64, 3), 128, np.uint8)
    picture[20], picture[44] = 0, 255
    hint = line_art(picture, width=3.0, threshold=6)
    assert hint[20].min() == 255
    assert hint[44].max() == 0


def test_tile_keeps_the_mean_and_loses_the_checkerboard():
    board = np.kron(np.indices((32, 32)).sum(0) % 2, np.ones((2, 2)))
    picture = np.repeat((255 * board).astype(np.uint8)[..., None], 3, 2)
    less = tile(picture, 8)
    assert abs(float(less.mean()) - float(picture.mean())) < 2
    assert float(less.std()) < 0.05 * float(picture.std())
    assert np.array_equal(tile(picture, 1), picture)


@pytest.mark.parametrize("colours", [2, 5, 16])
def test_a_palette_has_no_more_colours_than_asked_for(colours):
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    flat = palette(picture, colours, 16).reshape(-1, 3)
    assert len(np.unique(flat, axis=0)) <= colours


def test_a_palette_of_two_flat_halves_is_their_two_colours():
    picture = step((10, 200, 30), (250, 20, 220))
    assert np.array_equal(palette(picture, 2, 16), picture)


@pytest.mark.parametrize("dark", [True, False])
def test_a_drawings_strokes_are_white_whatever_the_paper(dark):
    paper, pen = (255, 0) if dark else (0, 255)
    picture = np.full((64, 64, 3), paper, np.uint8)
    cv2.line(picture, (10, 32), (54, 32), (pen, pen, pen), 3)
    hint = drawing(picture, 60, 1)
    assert hint[32, 30].min() == 255 and hint[10, 30].max() == 0
    assert (hint > 0).mean() == pytest.approx((picture != paper).mean())


@pytest.mark.parametrize("paper", [(120, 170, 255), (255, 240, 160)])
def test_coloured_paper_is_paper(paper):
    picture = np.full((64, 64, 3), paper, np.uint8)
    cv2.line(picture, (10, 32), (54, 32), (20, 20, 20), 3)
    hint = drawing(picture, 60, 1)
    assert hint[32, 30].min() == 255 and hint[10, 30].max() == 0
    assert np.array_equal(hint[..., 0] > 0, (picture != paper).any(axis=2))


def test_a_coloured_stroke_counts_and_thin_ones_grow():
    picture = np.full((64, 64, 3), 255, np.uint8)
    cv2.line(picture, (10, 32), (54, 32), (250, 120, 120), 1)
    rows = (drawing(picture, 60, 5)[:, 30, 0] > 0).sum()
    assert rows == 5
