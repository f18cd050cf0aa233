"""Batches drawn ahead are those that were asked for."""

import torch

from studio.training import loop
from studio.training.ahead import DEPTH, Ahead


def draw(n: int) -> tuple[torch.Tensor, ...]:
    g = loop.generator(3, n)
    return torch.randn(4, generator=g), torch.tensor([n])


def test_each_step_gets_its_own_batch_also_when_a_run_begins_in_the_middle():
    sent = []
    ahead = Ahead(draw, lambda tensor: sent.append(len(tensor)) or tensor)
    for n in range(5, 5 + 2 * DEPTH):
        noise, number = ahead(n)
        assert number.item() == n and torch.equal(noise, draw(n)[0])
    ahead.close()
    assert sent == [4, 1] * (2 * DEPTH)


def test_no_more_is_drawn_than_is_soon_needed():
    drawn = []
    ahead = Ahead(lambda n: drawn.append(n) or draw(n), lambda tensor: tensor)
    for n in range(3):
        ahead(n)
    ahead.close()
    assert set(drawn) <= set(range(3 + DEPTH)) and len(drawn) == len(set(drawn))
