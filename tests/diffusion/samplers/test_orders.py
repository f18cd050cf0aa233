"""Deterministic samplers reach the order they are said to have, on an exactly known flow."""

from __future__ import annotations

import pytest

from benchmarks.orders import error, order
from studio.diffusion import schedules
from studio.diffusion.path import flow, vp
from studio.diffusion.samplers.registry import SAMPLERS

PATHS = {"vp": vp(schedules.linear()), "flow": flow()}
STEPS = (64, 128, 256)
# LMS starts with steps of lower order, whose trace is still seen in sigma_k.
UNUSUAL = {("lms", "vp"): 3.8}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("name", [n for n, s in SAMPLERS.items() if not s.stochastic])
def test_the_error_falls_with_the_expected_power_of_the_steps(name, kind):
    errors = [error(name, steps, PATHS[kind]) for steps in STEPS]
    expected = UNUSUAL.get((name, kind), SAMPLERS[name].order)
    assert order(errors, STEPS) == pytest.approx(expected, abs=0.15)
    assert errors[-1] < 0.02
