"""Samplers that diffusers lacks or has otherwise, against the papers' own form of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from studio.diffusion import schedules
from studio.diffusion.drive import answering, solve
from studio.diffusion.mixture import mixture
from studio.diffusion.path import ve, vp
from studio.diffusion.samplers.ask import Answer
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import levels

PATH = vp(schedules.linear())
TWIN = mixture([0.4, 0.6], [[-1.0], [0.8]], [0.3, 0.4])
X = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)[:, None]


def drawn(step, stage=0):
    generator = torch.Generator().manual_seed(10 * step + stage)
    return torch.randn(X.shape, generator=generator, dtype=torch.float64)


def test_edm_s_stochastic_sampler_is_algorithm_2_in_its_own_scaling():
    """Karras et al. 2022, alg. 2, written over x/alpha with D(x; sigma) as the paper does."""
    path, churn, low, high, swell = ve(80.0), 12.0, 0.05, 20.0, 1.007
    places = levels(path, 15, "karras")
    sigmas = [lv.sigma for lv in places]

    def D(x, sigma):
        return TWIN.x0(x, path.level(sigma) if sigma <= 80 else path.at(-2 * math.log(sigma)))

    x = 80.0 * X
    for i in range(15):
        gamma = min(churn / 15, math.sqrt(2) - 1) if low <= sigmas[i] <= high else 0.0
        hat = sigmas[i] * (1 + gamma)
        x_hat = x + math.sqrt(hat**2 - sigmas[i] ** 2) * swell * drawn(i) if gamma else x
        d = (x_hat - D(x_hat, hat)) / hat
        x = x_hat + (sigmas[i + 1] - hat) * d
        if sigmas[i + 1] > 0:
            d_next = (x - D(x, sigmas[i + 1])) / sigmas[i + 1]
            x = x_hat + (sigmas[i + 1] - hat) * (d + d_next) / 2
    run = SAMPLERS["edm"].method(
        80.0 * X, path, places, noise=drawn, churn=churn, low=low, high=high, swell=swell
    )
    torch.testing.assert_close(solve(run, TWIN.answer), x, rtol=1e-9, atol=1e-9)


def test_edm_is_the_same_on_a_variance_preserving_path_of_the_same_levels():
    """States are x/alpha times alpha: the scaling is a choice of words."""
    places = levels(ve(80.0), 12, "karras")
    scaled = [PATH.at(lv.logsnr) for lv in places]
    ends = [
        solve(
            SAMPLERS["edm"].method(80.0 * X * ways[0].alpha, path, ways, noise=drawn), TWIN.answer
        )
        for path, ways in ((ve(80.0), places), (PATH, scaled))
    ]
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-9, atol=1e-9)


def test_edm_without_churn_is_heun():
    places = levels(PATH, 12, "karras")
    still = solve(SAMPLERS["edm"].method(X, PATH, places, noise=None, churn=0.0), TWIN.answer)
    heun = solve(SAMPLERS["heun"].method(X, PATH, places, noise=None), TWIN.answer)
    assert torch.equal(still, heun)


def test_dpmpp_3m_sde_integrates_the_parabola_through_three_answers():
    """x' = (sigma'/sigma)e^(-h)·x + 2·alpha'·∫ e^(-2(h-u))·P(u) du, by quadrature."""
    places = [PATH.at(float(v)) for v in np.linspace(-6.0, 5.0, 21) + 0.2 * np.sin(range(21))]
    given = [math.sin(1.3 * i) + 0.1 * i for i in range(20)]
    answers = iter(given)

    def denoise(ask):
        x0 = torch.tensor([next(answers)], dtype=torch.float64)
        return Answer(ask.x, x0, (ask.x - ask.level.alpha * x0) / ask.level.sigma)

    run = SAMPLERS["dpmpp_3m_sde"].method(
        torch.tensor([0.7], dtype=torch.float64), PATH, places, noise=lambda *_: 0.0
    )
    end = float(solve(run, denoise))
    x, lam = 0.7, [0.5 * lv.logsnr for lv in places]
    for i, (here, there) in enumerate(zip(places, places[1:], strict=False)):  # noqa: RUF007
        h = lam[i + 1] - lam[i]
        if i < 2:  # by 2M's rule: the answer half a step ahead
            slope = (given[i] - given[i - 1]) / (lam[i] - lam[i - 1]) if i else 0.0
            mean = (1 - math.exp(-2 * h)) * (given[i] + 0.5 * h * slope)
        else:
            curve = np.polyfit([v - lam[i] for v in lam[i - 2 : i + 1]], given[i - 2 : i + 1], 2)
            mean = quad(lambda u: 2 * math.exp(-2 * (h - u)) * np.polyval(curve, u), 0, h)[0]  # noqa: B023
        x = there.sigma / here.sigma * math.exp(-h) * x + there.alpha * mean
    assert end == pytest.approx(x, rel=1e-8)


def test_annealed_langevin_is_algorithm_1(network, start):
    """Song & Ermon 2019 on an exploding path: step sizes δ_i = stride·sigma_i²."""
    path, stride = ve(10.0), 0.15
    places = [*(path.level(s) for s in (10.0, 3.0, 1.0, 0.3)), path.clean]
    noise = {(i, k): torch.randn_like(start) for i in range(4) for k in range(3)}

    def score(x, sigma):
        return -network(x / (1 + sigma), sigma) / sigma

    x = 10.0 * start
    for i, level in enumerate(places[:-1]):
        delta = stride * level.sigma**2
        for k in range(3):
            before = x
            x = x + 0.5 * delta * score(x, level.sigma) + math.sqrt(delta) * noise[i, k]
    x = before + 0.3**2 * score(before, 0.3)
    run = SAMPLERS["annealed_langevin"].method(
        10.0 * start, path, places, noise=lambda i, k: noise[i, k], inner=3, stride=stride
    )
    ours = solve(run, answering(lambda x, t: network(x / (1 + t), t), "eps"))
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)


def test_a_mean_moves_by_the_variance_times_the_gradient(start):
    """Dhariwal & Nichol 2021, alg. 1: N(μ + Σ·grad, Σ)."""
    here, there = PATH.level(500), PATH.level(400)
    grad = torch.ones_like(start)

    def run(gradient):
        sampler = SAMPLERS["ddpm"].method(start, PATH, [here, there], noise=lambda *_: 0.0)
        return solve(sampler, lambda ask: Answer(ask.x, 0 * ask.x, ask.x, grad=gradient))

    variance = there.sigma**2 * (1 - (there.sigma_k / here.sigma_k) ** 2)
    torch.testing.assert_close(run(grad) - run(None), variance * grad, rtol=1e-4, atol=1e-6)


def test_a_learned_variance_is_its_logarithm(start):
    here, there = PATH.level(500), PATH.level(400)
    var = torch.full_like(start, math.log(0.09))
    ends = [
        solve(
            SAMPLERS["ddpm"].method(
                start, PATH, [here, there], noise=lambda *_, z=z: z, variance="learned"
            ),
            lambda ask: Answer(ask.x, 0 * ask.x, ask.x, var=var),
        )
        for z in (0.0, 1.0)
    ]
    torch.testing.assert_close(ends[1] - ends[0], torch.full_like(start, 0.3))
