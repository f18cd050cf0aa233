import pytest
import torch
import torch.nn.functional as F

from studio.imaging import linear

MIX = torch.tensor([[1.0, 0.5, 0.0], [0.0, -2.0, 1.0], [3.0, 0.0, 1.0], [0.5, 0.5, 0.5]])
SHIFT = torch.tensor([0.3, -0.2, 0.1, 0.0])


def encode(pictures):
    """A stand-in for a VAE that is exactly linear: patch means, mixed into four channels."""
    means = F.interpolate(pictures, scale_factor=1 / 8, mode="area")
    return torch.einsum("bchw,dc->bdhw", means, MIX) + SHIFT[None, :, None, None]


def test_the_map_of_a_linear_encoder_is_its_inverse():
    matrix = linear.fit(encode, side=64)
    pictures = linear.charts(3, 64, seed=9)
    expected = F.interpolate(pictures, scale_factor=1 / 8, mode="area")
    assert torch.allclose(linear.draw(encode(pictures), matrix), expected, atol=0.02)


def test_no_other_map_fits_better():
    matrix = linear.fit(encode, side=64)
    pictures = linear.charts(24, 64)
    target = F.interpolate(pictures, scale_factor=1 / 8, mode="area")

    def error(m):
        return (linear.draw(encode(pictures), m) - target).square().mean()

    draw = torch.Generator().manual_seed(0)
    others = [matrix + 0.02 * torch.randn(matrix.shape, generator=draw) for _ in range(20)]
    assert all(error(matrix) < error(other) for other in others)


def test_a_channel_that_carries_nothing_does_no_harm():
    def padded(pictures):
        states = encode(pictures)
        return torch.cat([states, torch.zeros_like(states[:, :1])], 1)

    matrix = linear.fit(padded, side=64)
    assert bool(torch.isfinite(matrix).all())
    assert matrix[4].abs().max() < 1e-6


def test_charts_fill_the_colour_space_and_repeat_with_their_seed():
    pictures = linear.charts(8, 32)
    assert pictures.shape == (8, 3, 32, 32) and bool((pictures.abs() <= 1).all())
    assert torch.equal(pictures, linear.charts(8, 32))
    spread = pictures.permute(1, 0, 2, 3).flatten(1).std(1)
    assert bool((spread > 0.3).all())


@pytest.mark.parametrize("channels", [4, 8, 16])
def test_any_number_of_channels_becomes_three(channels):
    matrix = torch.randn(channels + 1, 3)
    assert linear.draw(torch.zeros(2, channels, 4, 5), matrix).shape == (2, 3, 4, 5)
