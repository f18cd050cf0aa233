"""The integrated flow against closed forms: a Gaussian's, and quantiles in one dimension."""

from __future__ import annotations

import math

import pytest
import torch

from studio.diffusion import exact_flow
from studio.diffusion.mixture import mixture
from studio.diffusion.path import Level
from studio.diffusion.twins import TWINS

QUARTER = math.pi / 2


def slope_of(data):
    def slope(z, level):
        x0 = data.x0(z, level)
        if level.sigma > 1e-3:
            return x0, (z - level.alpha * x0) / level.sigma
        return x0, -level.sigma * data.marginal(level).score(z)

    return slope


def test_a_gaussian_keeps_its_distance_in_deviations():
    data = mixture([1.0], [[0.3, -0.7]], [[0.5, 0.02]])
    z = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angles = (QUARTER, 1.0, 0.3, 0.0)
    for angle, there in zip(angles, exact_flow.flow(z, angles, slope_of(data)), strict=True):
        marginal = data.marginal(exact_flow.at(angle))
        torch.testing.assert_close(
            (there - marginal.means) / marginal.variances.sqrt(), z, rtol=0, atol=3e-7
        )


def test_in_one_dimension_every_quantile_is_kept():
    data = TWINS["humps"]().all
    p = torch.linspace(0.02, 0.98, 33, dtype=torch.float64)
    z = torch.special.ndtri(p)[:, None]
    end = list(exact_flow.flow(z, (QUARTER, 0.0), slope_of(data)))[-1]
    torch.testing.assert_close(data.cdf(end), p, rtol=0, atol=1e-7)


def test_a_finer_tolerance_comes_closer():
    data = TWINS["humps"]().all
    z = torch.linspace(-2.0, 2.0, 21, dtype=torch.float64)[:, None]
    exact = data.flow(z, Level(0.0, 0.0, 1.0), exact_flow.at(0.0))

    def off(tolerance):
        *_, end = exact_flow.flow(z, (QUARTER, 0.0), slope_of(data), tolerance)
        return float((end - exact).abs().max())

    assert off(1e-8) < 1e-6
    assert off(1e-8) < 0.1 * off(1e-4)


def test_data_without_width_is_refused():
    data = mixture([1.0], [[0.0, 0.0]], [0.0])
    with pytest.raises(ValueError):
        list(exact_flow.flow(torch.ones(1, 2).double(), (QUARTER, 0.0), slope_of(data), 1e-12))


def test_straightness_of_a_line_and_of_a_quarter_circle():
    angles = [QUARTER * (1 - k / 64) for k in range(65)]
    x0, eps = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    way = torch.stack([math.cos(a) * x0 + math.sin(a) * eps for a in angles])
    circle = exact_flow.along(way, angles, lambda level: 1.0)
    line = exact_flow.along(way, angles, lambda level: 1 / (level.alpha + level.sigma))
    assert float(circle) == pytest.approx(math.sqrt(2) / QUARTER, rel=1e-3)
    assert float(line) == pytest.approx(1.0, abs=1e-9)
