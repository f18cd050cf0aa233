"""Objectives against torch's own losses, quadrature, and each other."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from studio.diffusion import schedules
from studio.diffusion.forward import normal_kl, posterior, prior_kl
from studio.diffusion.objectives import (
    elbo_decoder,
    elbo_prior,
    elbo_step,
    elbo_weight,
    flow_matching,
    min_snr,
    score_matching,
    simple,
)
from studio.diffusion.path import Level, vp
from studio.diffusion.prediction import from_x0_eps

PATH = vp(schedules.linear())
X0, EPS, GUESS = (
    torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(i), dtype=torch.float64)
    for i in range(3)
)


@pytest.mark.parametrize(
    ("norm", "loss"), [("l2", torch.nn.functional.mse_loss), ("l1", torch.nn.functional.l1_loss)]
)
def test_the_simple_loss_is_the_mean_error_of_each_picture(norm, loss):
    torch.testing.assert_close(simple(GUESS, EPS, norm).mean(), loss(GUESS, EPS))
    torch.testing.assert_close(simple(GUESS, EPS, norm)[1], loss(GUESS[1], EPS[1]))


def test_score_matching_is_the_eps_loss_in_other_words():
    level = PATH.level(400)
    score = from_x0_eps("score", None, GUESS, level)
    torch.testing.assert_close(score_matching(score, EPS, level), simple(GUESS, EPS))


def test_flow_matching_wants_eps_minus_x0():
    assert float(flow_matching(EPS - X0, X0, EPS).max()) == 0.0
    torch.testing.assert_close(flow_matching(GUESS, X0, EPS), simple(GUESS, EPS - X0))


def test_the_divergence_of_two_normals_is_torch_s():
    one, other = Normal(X0, 0.3), Normal(GUESS, 1.7)
    ours = normal_kl(X0, torch.tensor(0.09), GUESS, torch.tensor(1.7**2))
    torch.testing.assert_close(ours, kl_divergence(one, other))


def test_the_prior_s_divergence_is_torch_s():
    level = PATH.level(500)
    theirs = kl_divergence(Normal(level.alpha * X0, level.sigma), Normal(0.0, 1.0))
    torch.testing.assert_close(prior_kl(X0, level), theirs.flatten(1).sum(1))
    torch.testing.assert_close(elbo_prior(X0, level), theirs.flatten(1).mean(1) / math.log(2))


def test_the_prior_s_divergence_is_infinite_without_noise():
    with pytest.raises(ValueError, match="infinitely"):
        prior_kl(X0, PATH.clean)


def test_a_step_s_term_is_the_weighted_error_in_x0():
    here, there = PATH.level(300), PATH.level(299)
    x = here.alpha * X0 + here.sigma * EPS
    expected = elbo_weight(here, there) * (X0 - GUESS).square().flatten(1).mean(1) / math.log(2)
    torch.testing.assert_close(elbo_step(X0, GUESS, x, here, there), expected)


def test_the_weight_of_an_eps_error_is_the_paper_s():
    """β²/(2·σ²·α·(1 - ᾱ)) of Ho et al. 2020, eq. 12, with σ² = β̃."""
    bar, t = schedules.linear(), 300
    beta = schedules.betas(bar)[t]
    here, there = PATH.level(t), PATH.level(t - 1)
    tilde = (1 - bar[t - 1]) / (1 - bar[t]) * beta
    paper = beta**2 / (2 * tilde * (1 - beta) * (1 - bar[t]))
    assert elbo_weight(here, there) / here.snr == pytest.approx(paper, rel=1e-8)


def test_a_step_with_another_variance_is_torch_s_divergence():
    here, there = PATH.level(300), PATH.level(250)
    x = here.alpha * X0 + here.sigma * EPS
    mean, variance = posterior(X0, x, here, there)
    taken, _ = posterior(GUESS, x, here, there)
    theirs = kl_divergence(Normal(mean, variance**0.5), Normal(taken, 0.2)) / math.log(2)
    for own in (0.04, torch.full_like(x, 0.04)):
        ours = elbo_step(X0, GUESS, x, here, there, own)
        torch.testing.assert_close(ours, theirs.flatten(1).mean(1))


def test_the_last_step_is_the_decoder_s():
    with pytest.raises(ValueError, match="decoder"):
        elbo_step(X0, GUESS, X0, PATH.level(0), PATH.clean)


@pytest.mark.parametrize("deviation", [0.01, 0.3])
def test_the_decoder_s_bins_hold_all_the_mass(deviation):
    """Σ over the 256 values of 2^(-bits) is 1, whatever the mean."""
    grid = (torch.arange(256, dtype=torch.float64) / 127.5 - 1.0)[:, None]
    bits = elbo_decoder(grid, torch.full_like(grid, 0.37), deviation)
    assert float((2.0**-bits).sum()) == pytest.approx(1.0, abs=1e-6)


def test_a_wide_decoder_costs_the_density_times_the_bin():
    x0, mean = torch.tensor([[0.2 / 51]], dtype=torch.float64), torch.tensor([[0.5]])
    density = math.exp(float(Normal(0.5, 0.4).log_prob(x0)))
    assert float(elbo_decoder(x0, mean, 0.4)) == pytest.approx(-math.log2(density * 2 / 255), 1e-4)


@pytest.mark.parametrize("t", [5, 200, 800])
def test_min_snr_weighs_the_same_error_alike_in_every_prediction(t):
    """An error δ in x0 is δ·√SNR in eps and δ·√(SNR + 1) in v."""
    level = PATH.level(t)
    expected = min_snr(level, "x0")
    assert expected == pytest.approx(min(level.snr, 5.0))
    assert min_snr(level, "eps") * level.snr == pytest.approx(expected)
    assert min_snr(level, "v") * (level.snr + 1) == pytest.approx(expected)


def test_min_snr_at_the_blind_end():
    blind = Level(999.0, 0.0, 1.0)
    assert (min_snr(blind, "eps"), min_snr(blind, "v")) == (1.0, 0.0)
