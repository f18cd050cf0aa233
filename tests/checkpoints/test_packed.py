"""Packed convolutions give what ordinary ones give, at any size, and stay away where they must."""

import pytest
import torch
from torch import nn

from studio.checkpoints.packed import PackedConv2d, pack, possible


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(8, 16, 3, padding=1),
        nn.SiLU(),
        nn.Conv2d(16, 24, 3, stride=2, padding=1),
        nn.Sequential(nn.Conv2d(24, 24, 1, bias=False), nn.Conv2d(24, 24, 3, 1, 2, 2, groups=4)),
        nn.ConvTranspose2d(24, 8, 2, stride=2),
    ]
    return nn.Sequential(*layers).eval().requires_grad_(False)


def picture(rows: int, side: int) -> torch.Tensor:
    return torch.randn(rows, 8, side, side, generator=torch.Generator().manual_seed(side))


def packed() -> nn.Sequential:
    net = network()
    pack(net, lambda: net(picture(2, 16)))
    return net


def count(net: nn.Module) -> int:
    return sum(isinstance(module, PackedConv2d) for module in net.modules())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("rows, side", [(2, 16), (1, 16), (7, 16), (2, 24), (1, 8)])
def test_the_answers_stay(rows, side, layout):
    x = picture(rows, side).contiguous(memory_format=layout)
    torch.testing.assert_close(packed()(x), network()(x), rtol=1e-5, atol=1e-6)


def test_it_is_possible_on_a_cpu_and_nowhere_else():
    assert possible("cpu") == torch.backends.mkldnn.is_available() and not possible("cuda")


@pytest.mark.parametrize("answer", [lambda self, x: x / 0, lambda self, x: torch.ops.no.such(x)])
def test_a_build_that_answers_otherwise_goes_without(monkeypatch, answer):
    monkeypatch.setattr(PackedConv2d, "forward", answer)
    assert not possible("cpu")


def test_asking_leaves_the_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    possible("cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_input_gives_the_same_bits():
    net, x = packed(), picture(2, 16)
    assert torch.equal(net(x), net(x))


def test_every_convolution_but_one_by_one_is_packed():
    assert count(packed()) == 3


def test_a_relu_is_done_by_its_convolution():
    net = nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 8, 3)).requires_grad_(False)
    x = picture(2, 16)
    expected = net(x)
    pack(net, lambda: net(x))
    assert isinstance(net[1], nn.Identity)
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-6)


def test_other_precisions_are_left_alone():
    net = network().to(torch.bfloat16)
    pack(net, lambda: net(picture(2, 16).bfloat16()))
    assert count(net) == 0


def test_what_the_forward_does_not_reach_is_left_alone():
    net = network()
    pack(net, lambda: net[:2](picture(2, 16)))
    assert count(net) == 1


def test_a_forward_that_fails_leaves_no_hooks():
    net = network()
    with pytest.raises(RuntimeError):
        pack(net, lambda: net(torch.zeros(1, 3, 8, 8)))
    assert all(not module._forward_hooks for module in net.modules())
