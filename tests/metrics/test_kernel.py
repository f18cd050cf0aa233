"""KID against the sum over pairs, written out, and against where it must be 0."""

from itertools import permutations, product

import numpy as np
import pytest

from studio.metrics.kernel import kid, mmd2

DRAW = np.random.default_rng(0)


def k(a: np.ndarray, b: np.ndarray) -> float:
    return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3


def test_it_is_the_sum_over_all_pairs_of_different_points():
    x, y = DRAW.standard_normal((5, 3)), DRAW.standard_normal((4, 3)) + 1
    within = np.mean([k(a, b) for a, b in permutations(x, 2)])
    within += np.mean([k(a, b) for a, b in permutations(y, 2)])
    between = np.mean([k(a, b) for a, b in product(x, y)])
    assert mmd2(x, y) == pytest.approx(within - 2 * between, rel=1e-12)


def test_of_two_known_distributions_it_comes_out_at_the_moments_between_them():
    """On a line (xy + 1)³ compares the first three moments: Σ C(3, i)·(E xⁱ − E yⁱ)²."""
    y = (np.arange(1500)[:, None] + 0.5) / 1500  # even on (0, 1), by its quantiles
    x = 2 * y - 1
    apart = [0 - 1 / 2, 1 / 3 - 1 / 3, 0 - 1 / 4]
    expected = 3 * apart[0] ** 2 + 3 * apart[1] ** 2 + apart[2] ** 2
    assert mmd2(x, y) == pytest.approx(expected, abs=0.01)


def test_of_one_distribution_it_is_about_nothing_however_few_the_points():
    for count in (5, 40):
        found = [mmd2(*DRAW.standard_normal((2, count, 4))) for _ in range(300)]
        assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))


def test_subsets_estimate_the_same_as_all_points_at_once():
    x, y = DRAW.standard_normal((120, 6)), DRAW.standard_normal((110, 6)) * 1.5
    whole = mmd2(x, y)
    assert kid(x, y) == whole
    assert kid(x, y, subsets=200, size=60) == pytest.approx(whole, rel=0.1)
