"""A comparison's short training: its marks, its rate, and that an interruption changes nothing."""

from pathlib import Path

import pytest
import torch

from studio.training import loop, trial

LENGTH = trial.Length(6, rate=0.01, warm=2, points=3)


def model():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


def draw(n):
    return (torch.randn(4, 3, generator=loop.generator(0, n)),)


def loss(network, x):
    return network(x).square().mean()


def test_the_curve_is_measured_at_even_marks_and_at_the_end(tmp_path):
    shown = model()
    record = trial.run(
        model(), shown, draw, loss, tmp_path, LENGTH, lambda net: float(net.weight[0, 0])
    )
    assert [step for step, _ in record.curve] == [2, 4, 6] and record.seconds > 0
    assert record.curve[-1][1] == pytest.approx(float(shown.weight[0, 0]))


def test_an_interrupted_trial_ends_with_the_same_weights_and_curve(tmp_path):
    def measure(net):
        return float(net.weight.sum())

    whole, resumed = model(), model()
    first = trial.run(model(), whole, draw, loss, tmp_path / "a", LENGTH, measure)
    half = trial.Length(3, rate=0.01, warm=2, points=3)
    trial.run(model(), model(), draw, loss, tmp_path / "b", half)
    second = trial.run(model(), resumed, draw, loss, tmp_path / "b", LENGTH, measure)
    assert torch.equal(whole.weight, resumed.weight)
    assert second.curve == first.curve[1:]


def test_a_name_is_a_plain_folder():
    assert trial.place(Path("runs"), "adaLN-Zero, patch 2") == Path("runs/adaln-zero-patch-2")
