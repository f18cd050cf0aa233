"""Intervals against published values, scipy and the normal distribution."""

import numpy as np
import pytest
from scipy.stats import binomtest

from studio.metrics.frechet import distance
from studio.metrics.intervals import bootstrap, jackknife, wilson

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (81, 263), (200, 200)])
def test_wilsons_interval_is_scipys(hits, count):
    theirs = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_a_means_bootstrap_is_the_normal_interval():
    values = DRAW.normal(5, 2, 400)
    half = 1.96 * values.std() / 20
    assert bootstrap(values) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.1 * half
    )


def test_values_that_go_together_count_once():
    values = np.repeat(DRAW.normal(0, 1, 50), 4)
    clusters = np.repeat(np.arange(50), 4)
    low, high = bootstrap(values, clusters.tolist())
    narrow_low, narrow_high = bootstrap(values)
    assert (high - low) / (narrow_high - narrow_low) == pytest.approx(2.0, rel=0.15)


def test_the_medians_interval_holds_the_median():
    values = [1.0, 1.1, 1.2, 9.0, 1.3]
    low, high = bootstrap(values, statistic=np.median)
    assert low <= 1.2 <= high


def test_leaving_out_gives_the_standard_error_of_a_difference_of_means():
    x, y = DRAW.normal(0, 1, 400), DRAW.normal(0, 3, 300)
    known = np.sqrt(x.var() / 400 + y.var() / 300)
    found = jackknife(lambda a, b: float(a.mean() - b.mean()), x, y)
    assert found == pytest.approx(known, rel=0.4)  # twenty groups know it within a sixth each


def test_leaving_out_gives_about_the_spread_of_frechet_distances_over_fresh_clouds():
    def clouds():
        return DRAW.normal(0, 1, (200, 4)), DRAW.normal(0.5, 1, (200, 4))

    spread = np.std([distance(*clouds()) for _ in range(60)])
    said = np.mean([jackknife(distance, *clouds()) for _ in range(6)])
    assert said == pytest.approx(spread, rel=0.5)
