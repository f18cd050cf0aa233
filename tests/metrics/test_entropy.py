"""The inception score where it is known."""

import numpy as np
import pytest

from studio.metrics.entropy import inception_score


def test_pictures_that_are_each_clearly_one_of_k_things_score_k():
    assert inception_score(np.tile(np.eye(7), (3, 1))) == pytest.approx(7.0)


def test_pictures_that_could_be_anything_score_one():
    assert inception_score(np.full((20, 9), 1 / 9)) == pytest.approx(1.0)


def test_pictures_that_are_all_the_same_thing_score_one():
    assert inception_score(np.tile([0.9, 0.1, 0.0], (5, 1))) == pytest.approx(1.0)


def test_two_pictures_score_the_exponential_of_their_information():
    p = np.array([[0.75, 0.25], [0.25, 0.75]])
    information = np.log(2) + 0.75 * np.log(0.75) + 0.25 * np.log(0.25)
    assert inception_score(p) == pytest.approx(np.exp(information))
