"""Descriptions of drawings: near for what looks alike, in a space whose parts have known values."""

import cv2
import numpy as np
import pytest

from studio.metrics import looks


def drawn(shape: str, colour=(200, 30, 30), shift=0) -> np.ndarray:
    picture = np.full((128, 128, 3), 255, np.uint8)
    if shape == "disc":
        cv2.circle(picture, (64 + shift, 64), 36, colour, -1)
    else:
        corners = np.array([[64 + shift, 20], [104 + shift, 100], [24 + shift, 100]])
        cv2.fillPoly(picture, [corners], colour)
    return picture


def stripes(axis: int) -> np.ndarray:
    wave = (128 + 100 * np.sin(np.arange(looks.SIDE) / 3)).astype(np.uint8)
    plane = np.broadcast_to(wave[:, None] if axis == 0 else wave, (looks.SIDE, looks.SIDE))
    return np.repeat(plane[..., None], 3, axis=2)


@pytest.mark.parametrize(("axis", "peak"), [(1, {0}), (0, {4, 5})])
def test_stripes_fall_into_the_bin_of_their_gradients_direction(axis, peak):
    bins = looks.gradients(stripes(axis)).reshape(-1, looks.BINS).mean(0)
    assert {int(i) for i in np.argsort(-bins)[: len(peak)]} == peak


def test_white_is_the_colours_origin_and_black_is_a_hundred_away():
    white = np.full((64, 64, 3), 255, np.uint8)
    assert np.abs(looks.colours(white)).max() < 0.1
    dark = looks.colours(0 * white).reshape(-1, 3)
    np.testing.assert_allclose(dark, np.broadcast_to([-100, 0, 0], dark.shape), atol=0.1)


def test_a_description_has_length_one_even_of_nothing_but_black():
    assert np.linalg.norm(looks.describe(drawn("disc"))) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(looks.describe(np.zeros((20, 30, 3), np.uint8))).all()


def test_shape_and_colour_both_count():
    disc, moved = looks.describe(drawn("disc")), looks.describe(drawn("disc", shift=3))
    triangle = looks.describe(drawn("triangle"))
    green = looks.describe(drawn("disc", (30, 180, 60)))
    assert disc @ moved > disc @ triangle
    assert disc @ moved > disc @ green


def test_retrieval_counts_those_whose_concept_is_among_the_nearest():
    gallery = np.stack([looks.describe(drawn(s, shift=4)) for s in ("disc", "triangle")])
    labels = ["ball", "tent"]
    made = [drawn("disc"), drawn("triangle")]
    assert looks.retrieved(made, ["ball", "tent"], gallery, labels) == 1.0
    assert looks.retrieved(made, ["ball", "ball"], gallery, labels) == 0.5
    assert looks.retrieved(made, ["tent", "ball"], gallery, labels, first=2) == 1.0
