"""The optimiser: orthogonal updates, and who gets which."""

import pytest
import torch
from torch import nn

from studio.training import muon


@pytest.mark.parametrize("shape", [(24, 24), (16, 144), (144, 16), (32, 64)])
def test_singular_values_of_an_update_are_all_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if shape[0] == shape[1]:
        matrix = matrix + 3 * torch.eye(shape[0])  # a random square matrix has values near zero
    values = torch.linalg.svdvals(muon.orthogonal(matrix))
    assert values.min() > 0.5 and values.max() < 1.3


def test_the_wide_and_the_plain_iteration_agree():
    wide = torch.randn(8, 40, generator=torch.Generator().manual_seed(1))
    a, b, c = muon.NEWTON_SCHULZ
    x = wide / wide.norm()
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    torch.testing.assert_close(muon.orthogonal(wide), x, rtol=1e-3, atol=1e-4)


def test_the_update_keeps_the_singular_vectors():
    matrix = torch.randn(6, 9, generator=torch.Generator().manual_seed(2)).double()
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.mT @ muon.orthogonal(matrix) @ v.mT  # diagonal, if the vectors are kept
    torch.testing.assert_close(inner, torch.diag(inner.diagonal()), atol=1e-6, rtol=0)


def test_norms_biases_and_the_first_and_last_layers_are_left_to_adam():
    model = nn.ModuleDict({"conv_in": nn.Conv2d(8, 16, 3), "inner": nn.Conv2d(16, 16, 3)})
    takes = {n for n, p in model.named_parameters() if muon.is_matrix(n, p)}
    assert takes == {"inner.weight"}


def test_the_cosine_rises_then_falls_to_zero():
    factors = [muon.cosine(n, 100, 10) for n in range(101)]
    assert factors[9] == 1.0 and factors[100] == 0.0
    assert factors[:10] == sorted(factors[:10]) and factors[10:] == sorted(
        factors[10:], reverse=True
    )


def test_muon_descends_a_quadratic():
    target = torch.randn(12, 20, generator=torch.Generator().manual_seed(3))
    weight = nn.Parameter(torch.zeros(12, 20))
    optimiser = muon.Muon([weight], lr=0.05)
    for _ in range(120):
        optimiser.zero_grad()
        (weight - target).square().sum().backward()
        optimiser.step()
    assert (weight - target).abs().mean() < 0.2 * target.abs().mean()  # it hovers within a step


@pytest.mark.parametrize("shape", [(12, 12), (8, 40), (40, 8), (16, 24)])
def test_matrices_of_one_shape_may_be_orthogonalised_together(shape):
    some = torch.randn(3, *shape, generator=torch.Generator().manual_seed(4))
    one_by_one = torch.stack([muon.orthogonal(matrix) for matrix in some])
    torch.testing.assert_close(muon.orthogonal(some), one_by_one, rtol=1e-4, atol=1e-5)


def test_a_step_together_is_the_step_one_by_one():
    drawn = torch.Generator().manual_seed(5)
    start = [torch.randn(*s, generator=drawn) for s in ((9, 9), (9, 20), (9, 9), (12, 9, 3, 3))]
    grads = [torch.randn(w.shape, generator=drawn) for w in start]
    ends = []
    for together in (False, True):
        weights = [nn.Parameter(w.clone()) for w in start]
        optimiser = muon.Muon(weights, lr=0.1, weight_decay=0.1, together=together)
        for _ in range(2):
            for weight, grad in zip(weights, grads, strict=True):
                weight.grad = grad
            optimiser.step()
        ends.append(weights)
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
