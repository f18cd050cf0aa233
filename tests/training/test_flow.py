"""The flow's recipe: straight paths, their velocity, their times, and text that is masked."""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from studio.training import flow, loop, unet

CONFIG = flow.Config(width=16, depth=2, head=8, patch=4, batch=4, workers=1)
PACE = loop.Pace(4, log_s=999, save_s=0, sheet_s=999)


def cache(pictures=6):
    g = torch.Generator().manual_seed(0)
    masks = torch.zeros(5, 32, dtype=torch.bool)
    masks[:, :4] = True
    base = unet.Cache(
        latents=torch.randn(pictures, 8, 16, 16, generator=g),
        states=torch.randn(5, 32, 24, generator=g).half(),
        captions=torch.randint(1, 5, (pictures, 3), generator=g),
        weights=torch.ones(pictures),
    )
    return flow.Cache(base, masks)


def lively(config=CONFIG):
    """A network whose layers are not zero."""
    torch.manual_seed(0)
    model = flow.build(config, 24).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return model


def test_the_solver_takes_the_velocity_back_to_the_picture():
    data = cache()
    xt, s, _, _, u = flow.draw_batch(data, 3, CONFIG, 0)
    at = s.view(-1, 1, 1, 1)
    x0, eps = xt - at * u, xt + (1 - at) * u
    torch.testing.assert_close((1 - at) * x0 + at * eps, xt)
    assert min((x0[0] - z).abs().max() for z in data.base.latents) < 1e-5
    solver = DPMSolverMultistepScheduler(**flow.SCHEDULE)
    solver.set_timesteps(10)
    sigma = solver.sigmas[0]
    there = (1 - sigma) * x0 + sigma * eps
    solver._init_step_index(solver.timesteps[0])
    torch.testing.assert_close(
        solver.convert_model_output(u, sample=there), x0, atol=1e-5, rtol=1e-4
    )
    told = flow.TIMES * sigma
    assert abs(told - solver.timesteps[0]) <= 1  # the solver rounds down


def test_the_logits_of_the_times_are_normal():
    config = flow.Config(mean=0.3, deviation=0.8)
    s = flow.draw_times(100_000, config, torch.Generator().manual_seed(0)).double()
    z = (torch.logit(s) - 0.3) / 0.8
    points = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], dtype=torch.float64)
    found = torch.stack([(z < p).double().mean() for p in points])
    torch.testing.assert_close(found, torch.special.ndtr(points), atol=2e-3, rtol=0)


def test_what_is_masked_is_not_read():
    model, data = lively(), cache()
    xt, s, context, mask, _ = flow.draw_batch(data, 0, CONFIG, 0)
    other = torch.where(mask[..., None], context, torch.randn_like(context))
    with torch.no_grad():
        first, second = (flow.velocity(model, xt, s, c, mask) for c in (context, other))
        changed = flow.velocity(model, xt, s, context + 1, mask)
    torch.testing.assert_close(first, second)
    assert (first - changed).abs().max() > 1e-3


def test_a_velocity_that_is_constant_is_walked_exactly(monkeypatch):
    target = torch.randn(2, 8, 16, 16)
    noise = torch.randn(2, 8, 16, 16)
    u = noise - target
    monkeypatch.setattr(flow, "velocity", lambda *_: torch.cat([u, u]))
    made = flow.sample(None, torch.zeros(3, 4, 2), torch.ones(3, 4), noise, steps=7)
    torch.testing.assert_close(made, target, atol=1e-5, rtol=1e-5)


def test_the_network_says_nothing_at_first():
    xt, s, context, mask, _ = flow.draw_batch(cache(), 0, CONFIG, 0)
    model = flow.build(CONFIG, 24).eval()
    assert flow.velocity(model, xt, s, context, mask).abs().max() == 0


def test_an_interrupted_flow_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole = flow.train(cache(), tmp_path / "a", CONFIG, pace=PACE)
    draw = flow.draw_batch

    def broken(data, n, *rest):
        if n == 2:
            raise KeyboardInterrupt
        return draw(data, n, *rest)

    monkeypatch.setattr(flow, "draw_batch", broken)
    with pytest.raises(KeyboardInterrupt):
        flow.train(cache(), tmp_path / "b", CONFIG, pace=PACE)
    monkeypatch.setattr(flow, "draw_batch", draw)
    resumed = flow.train(cache(), tmp_path / "b", CONFIG, pace=PACE)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert whole.proj_out.weight.abs().max() > 0
