"""Retrieval among real pictures, where the nearest is known."""

import numpy as np
import pytest

from studio.evaluation.reals import chance, gallery_rows, hits, reals
from studio.evaluation.spaces import Looks, plain
from studio.training import subset

GALLERY = plain(np.array([[1.0, 0], [0, 1], [-1, 0], [0.9, 0.1]]))
NAMES = ["east", "north", "west", "east"]


def test_the_nearest_by_angle_decides_whatever_the_length():
    made = plain(np.array([[5.0, 0.2], [0.1, 0.01], [0.3, 7]]))
    assert hits(made, ["east", "west", "north"], GALLERY, NAMES, 1) == [True, False, True]


def test_among_two_the_second_nearest_counts_too():
    made = plain(np.array([[0.6, 1.0]]))
    assert hits(made, ["east"], GALLERY, NAMES, 1) == [False]
    assert hits(made, ["east"], GALLERY, NAMES, 2) == [True]


def test_chance_is_what_drawing_without_replacement_gives():
    assert chance(["east"], NAMES, 1) == 0.5
    assert chance(["north"], NAMES, 2) == pytest.approx(1 - 3 / 4 * 2 / 3)
    assert chance(["east", "nowhere"], NAMES, 1) == 0.25


def test_real_pictures_are_described_once_and_kept(icons, tmp_path):
    class Once(Looks):
        calls = 0

        def describe(self, pictures):
            Once.calls += 1
            return super().describe(pictures)

    first, again = (reals(icons, Once(), tmp_path) for _ in range(2))
    assert Once.calls == 2  # training pictures, held-out ones
    np.testing.assert_array_equal(first.gallery.features, again.gallery.features)
    assert len(first.rows) == len(first.small) == len(first.gallery)
    assert not any(icons.records[row].held for row in first.rows)
    assert all(icons.records[row].held for row in first.held)


def test_a_gallery_that_must_be_small_keeps_what_generators_trained_on(icons):
    whole, own = gallery_rows(icons), set(subset.choose(icons)[0])
    assert whole == icons.train_rows() and 0 < len(own) < len(whole)
    some = gallery_rows(icons, len(own) + 2)
    assert own <= set(some) <= set(whole) and 0 < len(set(some) - own) <= 2
