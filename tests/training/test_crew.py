"""A crew's gradients are the batch's."""

import pytest
import torch
from torch import nn

from studio.training.crew import Crew


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_shares_add_up_to_the_whole_batch(workers):
    torch.manual_seed(0)
    model, x, y = nn.Linear(5, 2), torch.randn(7, 5), torch.randn(7, 2)
    whole = (model(x) - y).square().mean()
    expected = torch.autograd.grad(whole, list(model.parameters()))
    value = Crew(workers).gradients(model, lambda a, b: (model(a) - b).square().mean(), x, y)
    assert value == pytest.approx(whole.item(), rel=1e-5)
    for weight, grad in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(weight.grad, grad)


def test_a_weight_that_takes_no_part_gets_no_gradient():
    model = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    Crew(2).gradients(model, lambda a: model[0](a).sum(), torch.ones(4, 3))
    assert model[1].weight.grad is None
