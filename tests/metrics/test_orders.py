"""The fitted order against exact powers, scipy's regression and a floor."""

import numpy as np
import pytest
from scipy.stats import linregress

from studio.metrics.orders import order

COUNTS = [5, 10, 20, 40, 80]


@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_an_exact_power_is_found_exactly(power):
    found = order(COUNTS, [7.0 * c**-power for c in COUNTS])
    assert found.order == pytest.approx(power, abs=1e-9)
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_slope_and_its_standard_error_are_scipys():
    errors = np.exp(np.random.default_rng(0).normal(0, 0.2, 5)) * np.array(COUNTS, float) ** -2
    found = order(COUNTS, errors)
    used = list(found.used)
    theirs = linregress(np.log(np.array(COUNTS)[used]), np.log(errors[used]))
    assert found.order == pytest.approx(-theirs.slope, rel=1e-9)
    assert found.error == pytest.approx(theirs.stderr, rel=1e-9)


def test_points_under_the_floor_do_not_bend_the_line():
    errors = [100 * c**-2.0 for c in COUNTS]
    errors[-1] = 0.02  # what the reference itself is wrong by
    found = order(COUNTS, errors, floor=0.021)
    assert found.order == pytest.approx(2.0, abs=1e-9)
    assert found.used == (1, 2, 3)


@pytest.mark.parametrize("errors", [[1.0], [1.0, 0.5], [1.0, 1.1, 1.2], [0.0, 0.0, 0.0]])
def test_without_three_falling_points_above_the_floor_there_is_no_order(errors):
    assert order(COUNTS[: len(errors)], errors) is None


def test_what_is_not_finite_is_not_used():
    found = order([2, *COUNTS], [float("nan"), *(c**-1.0 for c in COUNTS)])
    assert 0 not in found.used and found.order == pytest.approx(1.0)


def test_the_longest_falling_stretch_is_fitted_though_the_error_rises_after_it():
    found = order(COUNTS, [1, 0.25, 0.06, 0.016, 0.017])
    assert found.used == (1, 2, 3) and found.order == pytest.approx(1.98, abs=0.01)


def test_of_two_equal_stretches_the_later_one_is_fitted():
    assert order([*COUNTS, 160], [9, 8, 7, 7.5, 3, 1]).used == (3, 4, 5)
