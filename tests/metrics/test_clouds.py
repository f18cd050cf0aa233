"""Distances between clouds: against scipy, and where they are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from studio.metrics.clouds import energy_distance, sliced_wasserstein


def cloud(seed: int, count: int = 300, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, generator=generator, dtype=torch.float64) + shift


def test_each_shadow_is_scipys_wasserstein_distance():
    x, y = cloud(0), cloud(1, shift=0.4)
    turns = np.arange(7) * math.pi / 7
    theirs = [
        stats.wasserstein_distance(x.numpy() @ ray, y.numpy() @ ray)
        for ray in np.stack([np.cos(turns), np.sin(turns)], 1)
    ]
    assert sliced_wasserstein(x, y, 7) == pytest.approx(np.mean(theirs), rel=1e-12)


def test_a_shift_is_as_far_as_its_mean_shadow():
    x = cloud(0)
    moved = x + torch.tensor([0.6, -0.8])
    assert sliced_wasserstein(x, moved) == pytest.approx(2 / math.pi, rel=1e-3)


def test_clouds_of_other_sizes_are_refused():
    with pytest.raises(ValueError):
        sliced_wasserstein(cloud(0), cloud(0, 200))


def test_on_a_line_the_energy_distance_is_scipys():
    x, y = cloud(0), cloud(1, shift=0.3)
    x[:, 1] = y[:, 1] = 0.0
    theirs = stats.energy_distance(x[:, 0].numpy(), y[:, 0].numpy())
    assert energy_distance(x, y) == pytest.approx(theirs, rel=1e-9)


def test_the_energy_distance_takes_the_first_points_alone():
    x, y = cloud(0), cloud(1)
    assert energy_distance(x, y, 100) == energy_distance(x[:100], y[:100])


def test_a_cloud_is_no_distance_from_itself():
    assert energy_distance(cloud(0), cloud(0)) == pytest.approx(0.0, abs=1e-6)
    assert sliced_wasserstein(cloud(0), cloud(0)) == 0.0
