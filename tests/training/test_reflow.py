"""Straightness and the solvers where the flow is known: from N(0, 1) to N(m, d²) the velocity is
linear, and a trajectory is x_s = (1 − s)·m + σ(s)·z with σ² = (1 − s)²d² + s².
"""

import math

import pytest
import torch

from studio.training import reflow

MEAN = 0.7


def gaussian(deviation):
    def velocity(x, s):
        variance = (1 - s) ** 2 * deviation**2 + s**2
        slope = (s - (1 - s) * deviation**2) / variance
        return -MEAN + slope * (x - (1 - s) * MEAN)

    return velocity


def noise():
    return torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0)).double()


def test_straightness_between_equal_gaussians_is_two_less_half_pi():
    """∫ σ'² ds = ∫ (2s − 1)² / (1 − 2s + 2s²) ds = 2 − π/2, for each z² that is carried over."""
    z = noise()
    found = reflow.straightness(gaussian(1.0), z, 40)
    expected = (2 - math.pi / 2) * z.square().mean((1, 2, 3))
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


def test_straightness_to_a_narrow_gaussian_is_the_integral_of_the_path():
    """S = ∫ σ'² ds − (1 − d)², by a sum as fine as one likes."""
    d, z = 0.4, noise()
    s = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    sigma = ((1 - s) ** 2 * d**2 + s**2).sqrt()
    bend = (((s - (1 - s) * d**2) / sigma) ** 2).mean() - (1 - d) ** 2
    found = reflow.straightness(gaussian(d), z, 60)
    torch.testing.assert_close(found, bend * z.square().mean((1, 2, 3)), rtol=2e-3, atol=0)


def test_a_straight_coupling_has_no_bend_and_needs_one_step():
    ends = 0.3 * noise() - 1

    def velocity(x, s):
        return noise() - ends

    assert float(reflow.straightness(velocity, noise(), 4).abs().max()) < 1e-20
    torch.testing.assert_close(reflow.euler(velocity, noise(), 1), ends)


def test_trajectories_end_where_the_closed_form_says():
    z = noise()
    *_, (last, end, _) = reflow.heun(gaussian(0.4), z, 60)
    assert last == 0.0
    torch.testing.assert_close(end, MEAN + 0.4 * z, atol=2e-3, rtol=0)
    torch.testing.assert_close(
        reflow.euler(gaussian(0.4), z, 2000), MEAN + 0.4 * z, atol=2e-3, rtol=0
    )


def test_couples_are_drawn_as_couples():
    starts, label = torch.randn(5, 2, 3, 3), torch.arange(5)
    ends = 2 * starts + label.view(-1, 1, 1, 1)
    xt, s, said, u = reflow.draw_couples((starts, ends), label, 0, 8, 0)
    on = s.view(-1, 1, 1, 1)
    x0, eps = xt - on * u, xt + (1 - on) * u
    torch.testing.assert_close(x0, 2 * eps + said.view(-1, 1, 1, 1))


@pytest.mark.parametrize("count", [3, 8])
def test_times_are_uniform_and_paths_straight(count):
    g = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, count, 2, 3, 3, generator=g)
    xt, s, u = reflow.at_times(x0, eps, g)
    torch.testing.assert_close(xt + (1 - s.view(-1, 1, 1, 1)) * u, eps)
    assert ((s > 0) & (s < 1)).all() and len(set(s.tolist())) == count
