"""The bound and ancestral sampling where both are known: data that are N(0, 1) themselves. Then
every level is N(0, 1), eps given x_t is sigma·x_t, and the true reverse step has the variance β.
"""

import math
from itertools import pairwise

import pytest
import torch

from studio.training import dit, improved

T = 50


def bound(schedule="linear"):
    return dit.bound(improved.levels(schedule, T))


def model(b=None, share=None):
    b = b or bound()

    def network(x, t, label):
        sigma = (1 - b.alpha_bar[t]).sqrt().float().view(-1, 1, 1, 1)
        return sigma * x if share is None else torch.cat([sigma * x, torch.full_like(x, share)], 1)

    return improved.Model(network, b, math.inf)


def white(count=2, side=64):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(10**9))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_bound_of_the_true_reverse_process_is_the_likelihood(schedule):
    x0 = white(side=256)
    found = improved.bits(model(bound(schedule)), x0, torch.zeros(2), 0)
    exact = -torch.distributions.Normal(0, 1).log_prob(x0).mean((1, 2, 3)) / math.log(2)
    # what is left of the picture at T, and one draw of noise a term
    torch.testing.assert_close(torch.tensor(found["beta"]).float(), exact, atol=0.03, rtol=0)
    assert min(found["tilde"]) > max(found["beta"])


def test_a_learned_variance_that_says_beta_gives_the_same_bound():
    found = improved.bits(model(share=1.0), white(), torch.zeros(2), 0)
    assert found["learned"] == pytest.approx(found["beta"])


def test_a_fixed_variance_has_no_learned_bound():
    assert set(improved.bits(model(), white(), torch.zeros(2), 0)) == {"beta", "tilde"}


@pytest.mark.parametrize("count", [5, T])
@pytest.mark.parametrize("fixed", [improved.BETA, improved.TILDE])
def test_ancestral_samples_have_the_variance_that_the_recursion_says(count, fixed):
    made = improved.ancestral(model(), white(8), torch.zeros(8), count, fixed, 0)
    keep = torch.linspace(0, T - 1, count).round().long()
    bars, variance = [1.0, *bound().alpha_bar[keep].tolist()], 1.0
    for before, now in reversed(list(pairwise(bars[1:]))):
        beta = 1 - now / before
        added = beta if fixed == improved.BETA else beta * (1 - before) / (1 - now)
        variance = (1 - beta) * variance + added
    assert float(made.var()) == pytest.approx(variance * bars[1], rel=0.03)


def test_a_learned_variance_is_the_networks_in_sampling_too():
    arguments = (white(2), torch.zeros(2), 7)
    learned = improved.ancestral(model(share=-1.0), *arguments, None, 0)
    assert torch.equal(learned, improved.ancestral(model(), *arguments, improved.TILDE, 0))


def test_predicted_pictures_are_cut_to_the_datas_range():
    cut = improved.Model(lambda x, t, label: -9 * x, bound(), 2.0)
    guess, share = cut.guess(white(2), torch.tensor([3, T - 1]), torch.zeros(2))
    assert float(guess.abs().max()) == 2.0 and share is None


def test_only_a_learned_variance_adds_the_bound_and_the_mean_does_not_feel_it():
    b = bound()
    x0, eps = white(), white().flip(0)
    t, label = torch.tensor([3, 40]), torch.zeros(2)
    given = (x0, improved.noised(x0, b, t, eps), t, label, eps)
    said = torch.zeros_like(x0).requires_grad_()
    simple = improved.objective(b, math.inf)(lambda *_: said, *given)
    (slope,) = torch.autograd.grad(simple, said)
    hybrid = improved.objective(b, math.inf)(lambda *_: torch.cat([said, said], 1), *given)
    guess = improved.Model(None, b, math.inf).clean(given[1], t, torch.zeros_like(x0))
    terms = dit.bound_terms(b, x0, guess, given[1], t, torch.zeros_like(x0))
    assert float((hybrid - simple).detach()) == pytest.approx(
        T / 1000 * float(terms.mean()), rel=1e-4
    )
    apart = torch.zeros_like(x0)
    alone = improved.objective(b, math.inf)(lambda *_: torch.cat([said, apart], 1), *given)
    torch.testing.assert_close(torch.autograd.grad(alone, said)[0], slope)
