"""The named sets: laws that all keep, and where they lie."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.path import vp
from studio.diffusion.samplers.ddim import ddim
from studio.diffusion.twins import TWINS

PATH = vp(schedules.linear())


@pytest.mark.parametrize("name", TWINS)
def test_classes_share_out_the_whole(name):
    twin = TWINS[name]()
    shares = [float(twin.all.weights[twin.labels == i].sum()) for i in range(len(twin.classes))]
    assert sum(shares) == pytest.approx(1.0)
    x = twin.all.draw(50, torch.Generator().manual_seed(0))
    level = PATH.level(200)
    parts = [s * twin.only(i).marginal(level).log_density(x).exp() for i, s in enumerate(shares)]
    torch.testing.assert_close(sum(parts), twin.all.marginal(level).log_density(x).exp())


@pytest.mark.parametrize("name", TWINS)
def test_class_probabilities_are_sure_in_the_data_and_flat_in_noise(name):
    twin = TWINS[name]()
    x = twin.only(0).draw(200, torch.Generator().manual_seed(0))
    near = twin.class_log_probability(x, PATH.level(0)).exp()[:, 0]
    assert float(near.median()) > 0.9
    far = twin.class_log_probability(x, PATH.level(999)).exp()
    weights = torch.stack([twin.all.weights[twin.labels == i].sum() for i in range(far.shape[1])])
    torch.testing.assert_close(far.mean(0), weights, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("name", TWINS)
def test_the_data_fits_into_the_noise(name):
    x = TWINS[name]().all.draw(5000, torch.Generator().manual_seed(0))
    assert float(x.abs().max()) < 2.5
    assert 0.5 < float(x.std()) < 1.3


def test_a_run_on_the_grid_fills_its_25_spots_alike():
    twin = TWINS["grid25"]()
    places = [PATH.at(float(v)) for v in torch.linspace(-9.0, 9.0, 60)] + [PATH.clean]
    x = torch.randn(5000, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    end = solve(ddim(x, PATH, places, noise=None), twin.all.answer)
    spot = (end[:, None] - twin.all.means).square().sum(2)
    counts = spot.argmin(1).bincount(minlength=25)
    assert stats.chisquare(counts.numpy()).pvalue > 0.001
    assert float(spot.amin(1).sqrt().quantile(0.99)) < 0.3
