"""The Fréchet distance against known Gaussians, scipy's root, and its own bias."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from studio.metrics.frechet import between_gaussians, distance, infinite, moments

DRAW = np.random.default_rng(0)


def covariance(size: int) -> np.ndarray:
    root = DRAW.standard_normal((size, size + 3))
    return root @ root.T / size


@pytest.mark.parametrize("size", [1, 5, 24])
def test_the_trace_of_the_root_is_scipys(size):
    a, b, m, n = covariance(size), covariance(size), *DRAW.standard_normal((2, size))
    root = sqrtm(a @ b).real
    theirs = np.square(m - n).sum() + np.trace(a + b - 2 * root)
    assert between_gaussians(m, a, n, b) == pytest.approx(theirs, rel=1e-8)


def test_two_gaussians_on_a_line_are_apart_by_means_and_deviations():
    one, other = (np.array([1.0]), np.array([[4.0]])), (np.array([3.0]), np.array([[9.0]]))
    found = between_gaussians(*one, *other)
    assert found == pytest.approx((1 - 3) ** 2 + (2 - 3) ** 2, rel=1e-12)


def test_covariances_without_full_rank_stay_exact():
    flat = np.diag([4.0, 0.0, 0.0])
    turned = np.diag([0.0, 9.0, 0.0])
    zero = np.zeros(3)
    assert between_gaussians(zero, flat, zero, flat) == pytest.approx(0.0, abs=1e-12)
    assert between_gaussians(zero, flat, zero, turned) == pytest.approx(13.0, rel=1e-12)


def test_a_cloud_is_no_distance_from_itself_even_with_fewer_points_than_features():
    x = DRAW.standard_normal((10, 40))
    assert distance(x, x) == pytest.approx(0.0, abs=1e-9)
    assert distance(x, x + 2.0) == pytest.approx(40 * 4.0, rel=1e-9)


def test_samples_of_two_known_gaussians_come_out_at_their_distance_within_the_noise():
    size, count = 6, 20_000
    a, b, shift = covariance(size), covariance(size), np.full(size, 0.5)
    zero = np.zeros(size)
    known = between_gaussians(zero, a, shift, b)
    x = DRAW.multivariate_normal(zero, a, count)
    y = DRAW.multivariate_normal(shift, b, count)
    # the means' part alone has a standard error of 2·√(shiftᵀ(A + B)shift / N)
    error = 2 * np.sqrt(shift @ (a + b) @ shift / count)
    assert distance(x, y) == pytest.approx(known, abs=5 * error)


def test_of_one_gaussian_it_is_too_large_by_the_means_part_over_n_and_the_rest():
    """E‖m₁ − m₂‖² = 2·D/N, and the covariances add ¼·E‖C₁ − C₂‖² = (D² + D)/2N to first order."""
    size, count, trials = 8, 400, 40
    found = [distance(*DRAW.standard_normal((2, count, size))) for _ in range(trials)]
    expected = 2 * size / count + (size * size + size) / (2 * count)
    spread = np.std(found) / np.sqrt(trials)
    assert np.mean(found) == pytest.approx(expected, abs=5 * spread + 0.05 * expected)


def test_the_extrapolation_takes_most_of_the_bias_away():
    size, trials = 8, 12
    pairs = [DRAW.standard_normal((2, 300, size)) for _ in range(trials)]
    plain = np.mean([distance(x, y) for x, y in pairs])
    endless = [infinite(x, y, draws=4) for x, y in pairs]
    assert abs(np.mean([e.value for e in endless])) < plain / 4
    assert all(e.slope > 0 for e in endless)
    assert endless[0].points[-1] == (1.0, pytest.approx(distance(*pairs[0])))


def test_one_point_has_no_covariance():
    with pytest.raises(ValueError):
        moments(np.ones((1, 3)))
