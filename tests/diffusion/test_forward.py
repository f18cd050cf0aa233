"""The forward process: its closed form is the product of its steps, its posterior is Bayes'."""

from __future__ import annotations

import pytest
import torch

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.forward import posterior, q_sample, q_step
from studio.diffusion.path import flow, vp
from studio.diffusion.samplers.ask import Answer
from studio.diffusion.samplers.ddim import ddim

PATHS = {"vp": vp(schedules.linear()), "flow": flow()}
COUNT = 100_000


def test_the_closed_form_is_the_product_of_the_steps_in_distribution():
    path, x0 = vp(schedules.linear(50, 0.002, 0.4)), 1.3
    generator = torch.Generator().manual_seed(0)
    x = torch.full((COUNT,), x0, dtype=torch.float64)
    here = path.clean
    for t in range(30):
        eps = torch.randn(COUNT, generator=generator, dtype=torch.float64)
        x, here = q_step(x, here, path.level(t), eps), path.level(t)
    assert float(x.mean()) == pytest.approx(here.alpha * x0, abs=4 * here.sigma / COUNT**0.5)
    assert float(x.var()) == pytest.approx(here.sigma**2, rel=4 * (2 / COUNT) ** 0.5)


def test_a_step_between_neighbours_is_scaled_by_the_root_of_beta():
    bar = schedules.linear()
    beta, path = schedules.betas(bar)[400], PATHS["vp"]
    assert q_step(1.0, path.level(399), path.level(400), 0.0) == pytest.approx((1 - beta) ** 0.5)
    assert q_step(0.0, path.level(399), path.level(400), 1.0) == pytest.approx(beta**0.5)


@pytest.mark.parametrize("kind", PATHS)
def test_the_posterior_is_bayes_product_of_prior_and_step(kind):
    path, x0, x = PATHS[kind], 0.7, -0.4
    here, there = path.level(600), path.level(350)
    a = here.alpha / there.alpha
    beta = here.sigma**2 - (a * there.sigma) ** 2
    precision = 1 / there.sigma**2 + a * a / beta
    expected = (there.alpha * x0 / there.sigma**2 + a * x / beta) / precision
    mean, variance = posterior(x0, x, here, there)
    assert mean == pytest.approx(expected, rel=1e-9)
    assert variance == pytest.approx(1 / precision, rel=1e-9)


def test_the_posterior_between_neighbours_is_the_paper_s():
    bar = schedules.linear()
    t, path, x0, x = 300, PATHS["vp"], 0.7, -0.4
    beta, before = schedules.betas(bar)[t], bar[t - 1]
    mean, variance = posterior(x0, x, path.level(t), path.level(t - 1))
    paper = before**0.5 * beta / (1 - bar[t]) * x0
    paper += (1 - beta) ** 0.5 * (1 - before) / (1 - bar[t]) * x
    assert mean == pytest.approx(paper, rel=1e-9)
    assert variance == pytest.approx((1 - before) / (1 - bar[t]) * beta, rel=1e-9)


def test_the_posterior_of_a_clean_level_is_x0_itself():
    path = PATHS["vp"]
    assert posterior(0.7, -0.4, path.level(0), path.clean) == (pytest.approx(0.7), 0.0)


@pytest.mark.parametrize("kind", PATHS)
def test_ddim_at_eta_one_draws_from_the_posterior(kind):
    path, x0, x = PATHS[kind], torch.tensor(0.7), torch.tensor(-0.4)
    here, there = path.level(600), path.level(350)
    answer = Answer(x, x0, (x - here.alpha * x0) / here.sigma)
    ends = [
        float(
            solve(ddim(x, path, [here, there], noise=lambda *_, z=z: z, eta=1.0), lambda _: answer)
        )
        for z in (0.0, 1.0)
    ]
    mean, variance = posterior(0.7, -0.4, here, there)
    assert ends[0] == pytest.approx(mean, rel=1e-6)
    assert (ends[1] - ends[0]) ** 2 == pytest.approx(variance, rel=1e-5)


def test_a_strip_is_made_of_one_picture_and_one_noise():
    level = PATHS["vp"].level(300)
    assert q_sample(2.0, level, 3.0) == pytest.approx(2 * level.alpha + 3 * level.sigma)
