"""Every prediction there and back, at one level and at one level a row; the singular ends."""

from __future__ import annotations

import pytest
import torch

from studio.diffusion import schedules
from studio.diffusion.path import Level, flow, vp
from studio.diffusion.prediction import (
    KINDS,
    NAMES,
    Rows,
    from_x0_eps,
    kind_of,
    to_x0_eps,
    within,
)

PATHS = {"vp": vp(schedules.cosine()), "flow": flow()}
X0 = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
EPS = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("t", [1.0, 400.5, 990.0])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_round_trips(kind, path, t):
    level = PATHS[path].level(t)
    x = level.alpha * X0 + level.sigma * EPS
    raw = from_x0_eps(kind, X0, EPS, level)
    x0, eps = to_x0_eps(kind, raw, x, level)
    torch.testing.assert_close(x0, X0, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(eps, EPS, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_at_different_levels_are_what_each_is_alone(kind):
    levels = [PATHS["vp"].level(t) for t in (3.0, 500.0, 900.0)]
    rows = Rows.of(levels, X0)
    x = rows.alpha * X0 + rows.sigma * EPS
    raw = from_x0_eps(kind, X0, EPS, rows)
    together = to_x0_eps(kind, raw, x, rows)
    for i, level in enumerate(levels):
        alone = to_x0_eps(kind, raw[i], x[i], level)
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[i], b)


@pytest.mark.parametrize("kind", ["v", "u"])
def test_v_and_u_are_exact_where_nothing_but_noise_is_left(kind):
    blind = Level(1000.0, 0.0, 1.0)
    x0, eps = to_x0_eps(kind, from_x0_eps(kind, X0, EPS, blind), EPS, blind)
    torch.testing.assert_close(x0, X0)
    torch.testing.assert_close(eps, EPS)


@pytest.mark.parametrize("kind", ["eps", "score"])
def test_eps_and_score_say_nothing_where_alpha_is_zero(kind):
    blind = Level(1000.0, 0.0, 1.0)
    for level in (blind, Rows.of([PATHS["vp"].level(5.0), blind, blind], X0)):
        with pytest.raises(ValueError, match="alpha is 0"):
            to_x0_eps(kind, EPS, EPS, level)


def test_x0_says_nothing_of_eps_where_sigma_is_zero():
    with pytest.raises(ValueError, match="sigma is 0"):
        to_x0_eps("x0", X0, X0, Level(0.0, 1.0, 0.0))


def test_the_velocity_is_the_derivative_of_the_path_in_its_angle():
    """alpha = cos φ, sigma = sin φ, v = dx/dφ (Salimans & Ho 2022)."""
    phi, step = torch.tensor(0.7, dtype=torch.float64), 1e-5
    level = Level(0.0, float(phi.cos()), float(phi.sin()))
    x = [torch.cos(p) * X0 + torch.sin(p) * EPS for p in (phi - step, phi + step)]
    slope = (x[1] - x[0]) / (2 * step)
    torch.testing.assert_close(from_x0_eps("v", X0, EPS, level), slope, rtol=1e-6, atol=1e-8)


def test_the_library_s_names_are_understood():
    assert {kind_of(name) for name in NAMES} == {"eps", "x0", "v", "u"}
    with pytest.raises(ValueError, match="not known"):
        kind_of("mystery")


def test_a_guess_out_of_range_is_cut_and_eps_derived_again():
    level = Level(500.0, 0.6, 0.8)
    x = torch.tensor([1.0, -2.0])
    x0, eps = within(1.0, torch.tensor([3.0, -0.5]), torch.zeros(2), x, level)
    assert x0.tolist() == [1.0, -0.5]
    torch.testing.assert_close(0.6 * x0 + 0.8 * eps, x)
