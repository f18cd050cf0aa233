"""Noise depends on its key alone."""

from __future__ import annotations

import torch
from scipy import stats

from studio.diffusion.noise import KeyedNoise, key

SHAPE = (4, 8, 8)


def test_a_picture_in_a_batch_draws_what_it_draws_alone():
    batch = KeyedNoise([7, 8, 9], SHAPE)
    alone = KeyedNoise([8], SHAPE)
    assert torch.equal(batch.first()[1:2], alone.first())
    assert torch.equal(batch(3, 1)[1:2], alone(3, 1))


def test_the_order_of_calls_does_not_matter():
    one, other = KeyedNoise([1], SHAPE), KeyedNoise([1], SHAPE)
    ahead = one(5, 0)
    one(0, 0), one.first()
    assert torch.equal(ahead, other(5, 0))


def test_every_key_draws_something_else():
    noise = KeyedNoise([1, 2], SHAPE)
    drawn = [*noise.first(), *noise(0, 0), *noise(0, 1), *noise(1, 0)]
    same = [(i, j) for i, a in enumerate(drawn) for j, b in enumerate(drawn[:i]) if (a == b).all()]
    assert same == []


def test_the_first_noise_is_what_the_plain_generator_gives():
    plain = torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(42))
    assert torch.equal(KeyedNoise([42], SHAPE).first(), plain)


def test_keys_are_the_same_in_every_release():
    assert key(0, 0, 0) == 9617123944752223253
    assert key(2**62, 999, 2) == 13454914167688902204


def test_kept_pictures_keep_their_noise():
    noise = KeyedNoise([4, 5, 6], SHAPE)
    assert torch.equal(noise.keep([2, 0])(1, 0), noise(1, 0)[[2, 0]])


def test_the_values_are_standard_normal_and_uncorrelated_between_steps():
    noise = KeyedNoise(range(40), SHAPE)
    a, b = noise(0, 0).flatten(), noise(1, 0).flatten()
    assert stats.kstest(a.numpy(), "norm").pvalue > 0.001
    assert abs(float((a * b).mean())) < 3.3 / a.numel() ** 0.5
