"""LPIPS against torch's own modules on small weights, and against the authors' code where its net
is installed.
"""

import numpy as np
import pytest
import torch
from torch import nn

from studio.extras.shelf import Shelf
from studio.metrics.lpips import features, lpips
from studio.settings import Settings


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    weights, widths = {}, (3, 4, 5, 6, 4, 4)
    for k, side in enumerate((11, 5, 3, 3, 3)):
        weights[f"conv{k}.weight"] = torch.randn(widths[k + 1], widths[k], side, side) / side
        weights[f"conv{k}.bias"] = torch.randn(widths[k + 1]) / 10
        weights[f"lin{k}.weight"] = torch.rand(1, widths[k + 1], 1, 1)
    return weights


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """A ramp in three colours, and a white disc on black."""
    y, x = np.mgrid[:64, :64]
    ramp = np.stack([4 * x, 4 * y, 2 * (x + y)], axis=-1).astype(np.uint8)
    disc = np.repeat(((x - 32) ** 2 + (y - 32) ** 2 < 400)[..., None] * np.uint8(255), 3, axis=2)
    return ramp, disc


def test_the_features_are_alexnets(small):
    conv = [nn.Conv2d(3, 4, 11, 4, 2), nn.Conv2d(4, 5, 5, 1, 2), nn.Conv2d(5, 6, 3, 1, 1),
            nn.Conv2d(6, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1)]  # fmt: skip
    for k, layer in enumerate(conv):
        layer.load_state_dict({n: small[f"conv{k}.{n}"] for n in ("weight", "bias")})
    x = torch.randn(2, 3, 64, 80)
    with torch.no_grad():
        one = conv[0](x).relu()
        two = conv[1](nn.MaxPool2d(3, 2)(one)).relu()
        three = conv[2](nn.MaxPool2d(3, 2)(two)).relu()
        four = conv[3](three).relu()
        expected = [one, two, three, four, conv[4](four).relu()]
        for found, wanted in zip(features(x, small), expected, strict=True):
            assert torch.allclose(found, wanted, atol=1e-5)


def test_it_is_nothing_for_the_same_symmetric_and_grows_with_noise(small):
    ramp, disc = pictures()
    assert lpips(ramp, ramp, small) == 0
    there, back = lpips(ramp, disc, small), lpips(disc, ramp, small)
    assert there == pytest.approx(back) and there > 0
    noise = np.random.default_rng(0).normal(size=ramp.shape)
    apart = [lpips(ramp, np.clip(ramp + s * noise, 0, 255).astype(np.uint8), small)
             for s in (5, 20, 60)]  # fmt: skip
    assert apart == sorted(apart) and apart[0] > 0


def test_a_layer_whose_people_did_not_care_counts_for_nothing(small):
    deaf = {k: torch.zeros_like(v) if k.startswith("lin") else v for k, v in small.items()}
    assert lpips(*pictures(), deaf) == 0


def test_too_small_pictures_are_refused(small):
    with pytest.raises(ValueError, match="at least 32"):
        lpips(np.zeros((31, 64, 3), np.uint8), np.zeros((31, 64, 3), np.uint8), small)
    assert lpips(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), small) == 0


def test_the_installed_net_gives_what_the_authors_code_gives():
    """0.7251890 is what the package `lpips` 0.1.4 (version 0.1, AlexNet) says of these two."""
    shelf = Shelf(Settings.from_env().extras)
    if not shelf.here("lpips"):
        pytest.skip(shelf.missing("lpips"))
    assert lpips(*pictures(), shelf.weights("lpips")) == pytest.approx(0.7251890, abs=1e-5)
