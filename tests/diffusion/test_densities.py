"""Densities over t: each integrates to one and belongs to its own quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from studio.diffusion.densities import DENSITIES, logit_normal, mode

CASES = {name: make() for name, make in DENSITIES.items()}
CASES |= {"logit_normal(-.5, .6)": logit_normal(-0.5, 0.6), "mode(-.7)": mode(-0.7)}


@pytest.mark.parametrize("name", CASES)
def test_the_density_integrates_to_the_quantile_s_inverse(name):
    law = CASES[name]
    for p in (0.05, 0.3, 0.5, 0.9):
        mass, _ = quad(lambda t: float(law.pdf(np.array(t))), 1e-12, float(law.quantile(p)))
        assert mass == pytest.approx(p, abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_quantiles_rise_from_0_to_1(name):
    ts = CASES[name].quantile(np.linspace(1e-9, 1 - 1e-9, 101))
    assert (np.diff(ts) > 0).all()
    assert 0 <= ts[0] < 0.05
    assert 0.95 < ts[-1] <= 1


def test_the_middle_of_the_logit_normal():
    assert logit_normal(0.0, 1.0).quantile(0.5) == pytest.approx(0.5)
    assert logit_normal(1.0, 0.3).quantile(0.5) == pytest.approx(1 / (1 + np.exp(-1)))


def test_a_mode_that_would_fold_is_refused():
    with pytest.raises(ValueError, match="monotone"):
        mode(2.0)
