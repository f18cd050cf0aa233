"""Stochastic samplers draw from the data's distribution when the denoiser is exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.mixture import mixture
from studio.diffusion.path import flow, vp
from studio.diffusion.samplers.registry import SAMPLERS

TWIN = mixture([0.3, 0.7], [[-1.0], [0.8]], [0.25, 0.35])
PATHS = {"vp": vp(schedules.linear()), "flow": flow()}
COUNT = 6000
CRITICAL = 1.95 / COUNT**0.5  # Kolmogorov-Smirnov at 0.1 %
CASES = [(n, {}) for n, s in SAMPLERS.items() if s.stochastic]
CASES += [("ddim", {"eta": 0.5}), ("ddpm", {"variance": "fixed_large"})]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: str(v))
def test_the_samples_follow_the_data(name, options, kind):
    path = PATHS[kind]
    places = [path.at(float(v)) for v in np.linspace(-10.0, 8.0, 400)] + [path.clean]
    generator = torch.Generator().manual_seed(11)

    def noise(step, stage=0):
        return torch.randn(COUNT, 1, generator=generator, dtype=torch.float64)

    x = places[0].sigma * noise(0)
    end = solve(SAMPLERS[name].method(x, path, places, noise=noise, **options), TWIN.answer)
    away = stats.kstest(end[:, 0].numpy(), lambda v: TWIN.cdf(torch.as_tensor(v)[:, None]).numpy())
    assert away.statistic < CRITICAL
