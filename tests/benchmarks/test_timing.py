"""The arithmetic of the benchmarks."""

import pytest

from benchmarks.timing import Figure, figure, in_turns, ratio


def test_a_figure_is_the_median_and_its_quartiles():
    assert figure([4.0, 1.0, 3.0, 2.0, 5.0]) == Figure(3.0, 2.0, 4.0)


@pytest.mark.parametrize("values, expected", [([2.0], (2, 2, 2)), ([1.0, 2.0], (1.5, 1, 2))])
def test_of_few_values_the_least_and_the_largest_are_given(values, expected):
    assert figure(values) == Figure(*expected)


def test_a_ratio_is_taken_round_by_round():
    assert ratio([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]).median == 3.0  # not 4 / 1


def test_contenders_take_turns_at_going_first():
    order = []
    in_turns({name: lambda k, n=name: order.append((k, n)) for name in "abc"}, 3)
    assert [name for k, name in order] == [*"abc", *"bca", *"cab"]


def test_a_contender_may_bring_its_own_time():
    assert in_turns({"a": lambda k: float(k)}, 3)["a"].wall == [0.0, 1.0, 2.0]
