"""Walking diffusers' schedulers, so that their states can be compared with ours."""

from __future__ import annotations

import torch

from studio.diffusion.path import Level, vp

TOLERANCE = 1e-4
SD = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
LINEAR = {"beta_schedule": "linear", "beta_start": 1e-4, "beta_end": 0.02}
COSINE = {"beta_schedule": "squaredcos_cap_v2"}
PREDICTIONS = ("epsilon", "v_prediction")


def path_of(scheduler, **convention):
    return vp(scheduler.alphas_cumprod.double().tolist(), **convention)


def recorded(seed, shape, count=60):
    """What one generator gives in order, as noise(step, stage), and that generator again."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shape, generator=generator) for _ in range(count)]
    return (lambda step, stage=0: drawn[step]), torch.Generator().manual_seed(seed)


def assert_same(ours, theirs, upto=None):
    assert len(ours) == len(theirs)
    for step, (a, b) in enumerate(zip(ours[:upto], theirs[:upto], strict=True)):
        error = float((a - b).abs().max() / b.abs().max())
        assert error <= TOLERANCE, f"state {step} of {len(ours)}: relative error {error:.2e}"


def sigma_levels(scheduler, sigmas, ts):
    """The levels a sigma-space scheduler visits, in its own table's words."""
    out = []
    for t, s in zip([*ts, 0.0], sigmas, strict=True):
        alpha = 1.0 / (1.0 + float(s) ** 2) ** 0.5
        out.append(Level(float(t), alpha, float(s) * alpha))
    return tuple(out)


def ran(scheduler, network, x, **step):
    states = [x]
    for t in scheduler.timesteps:
        x = scheduler.step(network(x, t), t, x, **step).prev_sample
        states.append(x)
    return states


def ran_in_sigma(scheduler, network, x, places, **step):
    """Accepted states of a sigma-space scheduler, VP-scaled at the given levels."""
    x, states, inner = x / places[0].alpha, [], 0
    for t in scheduler.timesteps:
        if getattr(scheduler, "state_in_first_order", True):
            states.append(x * places[inner].alpha)
            inner += 1
        raw = network(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(raw, t, x, **step).prev_sample
    return [*states, x]
