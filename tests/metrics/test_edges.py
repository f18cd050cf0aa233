"""Edge matches of drawings whose precision and recall can be counted by hand."""

import numpy as np
import pytest

from studio.metrics.edges import match, near


def line(column: int, first: int = 0, last: int = 32) -> np.ndarray:
    picture = np.zeros((32, 32), np.uint8)
    picture[first:last, column] = 255
    return picture


def test_a_picture_matches_itself():
    found = match(line(10), line(10))
    assert (found.precision, found.recall, found.f1) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(("shift", "f1"), [(1, 1.0), (2, 1.0), (3, 0.0)])
def test_two_pixels_are_forgiven_and_three_are_not(shift, f1):
    assert match(line(10 + shift), line(10)).f1 == f1


def test_half_a_line_has_full_precision_and_the_recall_of_what_it_covers():
    found = match(line(10, 0, 16), line(10))
    assert found.precision == 1.0
    assert found.recall == pytest.approx(18 / 32)  # sixteen rows and two within the tolerance
    assert found.f1 == pytest.approx(2 * (18 / 32) / (1 + 18 / 32))


def test_a_second_line_that_nobody_asked_for_halves_the_precision():
    found = match(line(10) | line(25), line(10))
    assert (found.precision, found.recall) == (0.5, 1.0)


def test_distance_is_euclidean():
    dot, other = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    dot[4, 4], other[6, 6] = True, True
    assert near(dot, other, 2) == 0.0  # √8 away
    assert near(dot, other, 3) == 1.0


def test_nothing_matches_nothing_and_not_something():
    empty = np.zeros((32, 32), np.uint8)
    assert match(empty, empty).f1 == 1.0
    assert match(empty, line(3)).f1 == match(line(3), empty).f1 == 0.0
