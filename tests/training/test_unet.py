"""The denoiser's recipe: its target, its times, its conditions."""

import pytest
import torch
from diffusers import DDPMScheduler

from studio.training import loop, unet

CONFIG = unet.Config(widths=(8, 16, 16), head=8, batch=4, captions=3)


def cache(pictures=6):
    g = torch.Generator().manual_seed(0)
    return unet.Cache(
        latents=torch.randn(pictures, 8, 16, 16, generator=g),
        states=torch.randn(5, 32, 24, generator=g).half(),
        captions=torch.randint(1, 5, (pictures, 3), generator=g),
        weights=torch.ones(pictures),
    )


def test_the_target_is_the_velocity_that_diffusers_computes():
    scheduler = DDPMScheduler(**{k: v for k, v in unet.SCHEDULE.items() if k != "set_alpha_to_one"})
    data, alpha_bar = cache(), unet.levels()
    xt, t, _, v = unet.draw_batch(data, alpha_bar, 3, CONFIG, 0)
    a, s = (x.sqrt().view(-1, 1, 1, 1) for x in (alpha_bar[t], 1 - alpha_bar[t]))
    x0, eps = a * xt - s * v, s * xt + a * v
    torch.testing.assert_close(scheduler.add_noise(x0, eps, t), xt, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scheduler.get_velocity(x0, eps, t), v, atol=1e-4, rtol=1e-4)
    assert min((x0[0] - z).abs().max() for z in data.latents) < 1e-3


def test_times_are_spread_by_the_truncated_weight():
    alpha_bar = unet.levels()
    t = unet.draw_times(alpha_bar, 6.0, 200_000, torch.Generator().manual_seed(0))
    weight = torch.clamp(6.0 * (1 - alpha_bar.double()), max=1.0)
    expected = weight.reshape(10, 100).sum(1) / weight.sum()
    found = torch.histc(t.float(), 10, 0, 1000).double() / len(t)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_the_empty_prompt_is_drawn_as_often_as_said():
    config = unet.Config(batch=4000, drop=0.12, captions=3)
    data = cache()
    context = unet.draw_batch(data, unet.levels(), 0, config, 0)[2]
    empty = (context == data.states[0].float()).flatten(1).all(1).float().mean()
    assert abs(empty - 0.12) < 0.02


def test_an_interrupted_denoiser_ends_with_the_same_weights(tmp_path, monkeypatch):
    pace = loop.Pace(4, log_s=999, save_s=0, sheet_s=999)
    whole = unet.train(cache(), tmp_path / "a", CONFIG, pace=pace)
    draw = unet.draw_batch

    def broken(data, alpha_bar, n, *rest):
        if n == 2:
            raise KeyboardInterrupt
        return draw(data, alpha_bar, n, *rest)

    monkeypatch.setattr(unet, "draw_batch", broken)
    with pytest.raises(KeyboardInterrupt):
        unet.train(cache(), tmp_path / "b", CONFIG, pace=pace)
    monkeypatch.setattr(unet, "draw_batch", draw)
    resumed = unet.train(cache(), tmp_path / "b", CONFIG, pace=pace)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
