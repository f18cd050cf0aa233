"""What every denoiser's training shares."""

import torch

from studio.training import fit, loop
from studio.training.unet import Config

CONFIG = Config(batch=8, lr=0.05, adam_lr=0.05, ema=0.9)


def line(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(8, 3, generator=loop.generator(0, n))
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]])


def test_a_plane_is_fitted_and_the_averaged_weights_are_returned(tmp_path):
    model, shown = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
    pace = loop.Pace(300, log_s=999, save_s=999, sheet_s=999)
    sheets = []
    made = fit.fit(
        model,
        shown,
        line,
        lambda x, y: (model(x) - y).square().mean(),
        tmp_path,
        CONFIG,
        pace=pace,
        sheet=lambda m, n: sheets.append(n),
    )
    assert made is shown and sheets == [300]
    expected = torch.tensor([[1.0, -2.0, 0.5]])
    torch.testing.assert_close(shown.weight.data, expected, atol=0.02, rtol=0)


def test_the_average_starts_with_the_newest_and_slows_down():
    model = torch.nn.Linear(1, 1, bias=False)
    average = fit.Average(model, 0.9995)
    with torch.no_grad():
        model.weight.fill_(1.0)
        average.weights["weight"].zero_()
    average.update(model)
    assert abs(average.weights["weight"].item() - (1 - 2 / 11)) < 1e-6


def test_an_average_takes_a_saved_one_where_it_lies():
    model = torch.nn.Linear(1, 1, bias=False)
    average, saved = fit.Average(model, 0.9), {"count": 7, "weights": {"weight": torch.ones(1, 1)}}
    held = average.weights["weight"]
    average.load_state_dict(saved)
    assert average.weights["weight"] is held and held.item() == 1 and average.count == 7
