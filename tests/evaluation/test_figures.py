"""Figures and their intervals, and how they are written."""

import numpy as np
import pytest

from studio.evaluation.figures import between, median, none, share, shortened
from studio.metrics.intervals import wilson


def test_a_share_of_independent_hits_has_wilsons_interval():
    figure = share([True] * 8 + [False] * 2)
    assert (figure.value, figure.n) == (0.8, 10)
    assert (figure.low, figure.high) == wilson(8, 10)


def test_hits_of_one_concept_count_as_one_where_all_agree():
    figure = share([True] * 12, ["a", "b", "c", "d"] * 3)
    assert (figure.value, figure.n) == (1.0, 12)
    assert (figure.low, figure.high) == wilson(4, 4)


def test_hits_that_go_together_make_a_wider_interval():
    hits = ([True] * 3 + [False] * 3) * 10
    together = share(hits, [str(i // 3) for i in range(60)])
    apart = share(hits)
    assert together.high - together.low > 1.4 * (apart.high - apart.low)


def test_a_distance_lies_in_the_middle_of_its_interval():
    random = np.random.default_rng(0)
    x, y = random.normal(1, 1, (50, 1)), random.normal(0, 1, (60, 1))
    figure = between(lambda a, b: float(a.mean() - b.mean()), x, y)
    assert figure.n == 50
    assert figure.value - figure.low == pytest.approx(figure.high - figure.value)
    assert (figure.high - figure.low) / 2 == pytest.approx(1.96 * (1 / 50 + 1 / 60) ** 0.5, rel=0.5)


def test_what_is_not_measured_says_why_and_has_no_number():
    said = none("it takes classes").said()
    assert said == {"value": None, "n": 0, "low": None, "high": None, "why": "it takes classes"}


def test_numbers_are_written_with_a_few_digits_and_words_as_they_are():
    said = median([0.123456789, 0.2, 0.3], least=0.123456789, unit="s").said()
    assert said["least"] == 0.12346 and said["unit"] == "s" and said["value"] == 0.2
    assert shortened([[1, 2.0000001]]) == [[1, 2.0]]
