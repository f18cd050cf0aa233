"""Stochastic samplers draw from the data's distribution when the denoiser is exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.mixture import mixture
from studio.diffusion.path import Level, flow, vp
from studio.diffusion.samplers.ask import Answer
from studio.diffusion.samplers.registry import SAMPLERS

TWIN = mixture([0.3, 0.7], [[-1.0], [0.8]], [0.25, 0.35])
PATHS = {"vp": vp(schedules.linear()), "flow": flow()}
COUNT = 6000
CRITICAL = 1.95 / COUNT**0.5  # Kolmogorov-Smirnov at 0.1 %
CASES = [(n, {}) for n, s in SAMPLERS.items() if s.stochastic]
CLEAN = Level(0.0, 1.0, 0.0)  # a consistency model's answer is where the flow ends
CASES += [("ddim", {"eta": 0.5}), ("ddpm", {"variance": "fixed_large"})]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: str(v))
def test_the_samples_follow_the_data(name, options, kind):
    path = PATHS[kind]
    places = [path.at(float(v)) for v in np.linspace(-10.0, 8.0, 20 if name == "lcm" else 400)] + [
        path.clean
    ]
    generator = torch.Generator().manual_seed(11)

    def noise(step, stage=0):  # one picture of many values: some methods measure its norm
        return torch.randn(1, COUNT, generator=generator, dtype=torch.float64)

    def denoise(ask):
        x = ask.x.reshape(COUNT, 1)
        x0 = TWIN.flow(x, ask.level, CLEAN) if name == "lcm" else TWIN.x0(x, ask.level)
        x0 = x0.reshape(1, COUNT)
        return Answer(ask.x, x0, (ask.x - ask.level.alpha * x0) / ask.level.sigma)

    x = places[0].sigma * noise(0)
    end = solve(SAMPLERS[name].method(x, path, places, noise=noise, **options), denoise)
    away = stats.kstest(end[0].numpy(), lambda v: TWIN.cdf(torch.as_tensor(v)[:, None]).numpy())
    assert away.statistic < CRITICAL
