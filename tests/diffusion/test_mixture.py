"""The exact twin against numbers found another way: autograd, quadrature, the samplers' limit."""

from __future__ import annotations

import pytest
import torch

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.mixture import Mixture, ideal_x0, mixture
from studio.diffusion.path import flow, vp
from studio.diffusion.samplers.ask import Ask
from studio.diffusion.samplers.ddim import ddim

PATHS = {"vp": vp(schedules.linear()), "flow": flow()}
LINE = mixture([0.3, 0.7], [[-1.0], [0.8]], [0.25, 0.35])
PLANE = mixture([0.2, 0.5, 0.3], [[-1.0, 0.0], [1.0, 1.0], [0.5, -1.0]], [0.3, 0.2, 0.5])


def x_of(mixture, count=5):
    width = mixture.means.shape[1]
    return torch.randn(
        count, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )


@pytest.mark.parametrize("data", [LINE, PLANE], ids=["line", "plane"])
def test_the_score_is_the_gradient_of_the_log_density(data):
    x = x_of(data).requires_grad_()
    (slope,) = torch.autograd.grad(data.log_density(x).sum(), x)
    torch.testing.assert_close(data.score(x.detach()), slope)


def test_the_density_integrates_to_one():
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    total = torch.trapezoid(LINE.log_density(grid).exp(), grid[:, 0])
    assert float(total) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("kind", PATHS)
def test_the_posterior_mean_is_bayes_integral(kind):
    level = PATHS[kind].level(450)
    x = torch.tensor([[0.3]], dtype=torch.float64)
    grid = torch.linspace(-6, 6, 20001, dtype=torch.float64)
    like = torch.exp(-((x[0] - level.alpha * grid) ** 2) / (2 * level.sigma**2))
    weight = like * LINE.log_density(grid[:, None]).exp()
    mean = torch.trapezoid(weight * grid, grid) / torch.trapezoid(weight, grid)
    assert float(LINE.x0(x, level)) == pytest.approx(float(mean), rel=1e-8)


@pytest.mark.parametrize("data", [LINE, PLANE], ids=["line", "plane"])
def test_tweedie_the_answer_is_the_marginal_s_score(data):
    level = PATHS["vp"].level(300)
    x = x_of(data)
    answer = data.answer(Ask(x, level, 0))
    torch.testing.assert_close(-answer.eps / level.sigma, data.marginal(level).score(x))


def test_a_gaussian_s_flow_is_the_known_scaling():
    data, path = mixture([1.0], [[0.5]], [0.4]), PATHS["vp"]
    here, there, x = path.level(800), path.level(100), x_of(LINE)
    spread = [(lv.alpha**2 * 0.16 + lv.sigma**2) ** 0.5 for lv in (here, there)]
    expected = there.alpha * 0.5 + spread[1] / spread[0] * (x - here.alpha * 0.5)
    torch.testing.assert_close(data.flow(x, here, there), expected, rtol=1e-9, atol=1e-9)


def test_many_small_steps_arrive_where_the_flow_does():
    path = PATHS["vp"]
    places = [path.at(float(v)) for v in torch.linspace(-6, 4, 4000)]
    x = x_of(LINE)
    end = solve(ddim(x, path, places, noise=None), LINE.answer)
    torch.testing.assert_close(end, LINE.flow(x, places[0], places[-1]), rtol=0, atol=1e-3)


def test_drawn_samples_have_the_mixture_s_moments():
    drawn = PLANE.draw(100_000, torch.Generator().manual_seed(0))
    mean = PLANE.weights @ PLANE.means
    square = PLANE.weights @ (PLANE.variances + PLANE.means**2)
    torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=0.02)
    torch.testing.assert_close(drawn.square().mean(0), square, rtol=0.02, atol=0)


def test_a_component_without_width_has_no_density():
    with pytest.raises(ValueError, match="width"):
        mixture([1.0], [[0.0]], [0.0]).log_density(torch.zeros(1, 1, dtype=torch.float64))


PICTURES = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("kind", PATHS)
def test_the_ideal_denoiser_is_the_mixture_of_pictures_without_width(kind):
    level = PATHS[kind].level(500)
    weights = torch.tensor([1.0, 2, 3, 4, 5, 6], dtype=torch.float64)
    flat = PICTURES.flatten(1)
    twin = Mixture(weights / weights.sum(), flat, torch.zeros_like(flat))
    x = level.alpha * PICTURES[:3] + level.sigma * torch.randn_like(PICTURES[:3])
    ours = ideal_x0(x, level.alpha, level.sigma, PICTURES, weights.log())
    torch.testing.assert_close(ours.flatten(1), twin.x0(x.flatten(1), level))


def test_the_ideal_denoiser_takes_a_level_and_weights_for_each_row():
    levels = [PATHS["vp"].level(t) for t in (200.0, 600.0)]
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    logs = torch.randn(2, 6, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    alpha, sigma = (
        torch.tensor([getattr(lv, n) for lv in levels]).reshape(2, 1, 1, 1)
        for n in ("alpha", "sigma")
    )
    both = ideal_x0(x, alpha, sigma, PICTURES, logs)
    for i, lv in enumerate(levels):
        alone = ideal_x0(x[i : i + 1], lv.alpha, lv.sigma, PICTURES, logs[i])
        torch.testing.assert_close(both[i : i + 1], alone, rtol=1e-6, atol=1e-7)


def test_the_ideal_denoiser_leaves_out_what_has_no_weight():
    logs = torch.zeros(6)
    logs[:5] = -torch.inf
    out = ideal_x0(torch.zeros(1, 3, 4, 4), 0.5, 0.8, PICTURES, logs)
    torch.testing.assert_close(out[0], PICTURES[5].float())


def test_the_ideal_denoiser_needs_noise():
    with pytest.raises(ValueError, match="sigma"):
        ideal_x0(torch.zeros(1, 3, 4, 4), 1.0, 0.0, PICTURES, torch.zeros(6))
