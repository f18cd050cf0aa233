"""The similarity that the decoder is trained by is the one that is measured."""

import numpy as np
import pytest
import torch

from studio.metrics import distance
from studio.training.autoencoder import similarity, to_tensor


def pictures(seed: int) -> np.ndarray:
    """Two pictures (32, 40, 3) uint8: steps and noise."""
    drawn = np.random.default_rng(seed)
    steps = np.repeat(drawn.integers(0, 256, (2, 4, 5, 3)), 8, 1).repeat(8, 2)
    return np.clip(steps + drawn.normal(0, 20, steps.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_wang_s_ssim(seed):
    one, other = pictures(seed), pictures(seed + 10)
    theirs = np.mean([distance.ssim(a, b) for a, b in zip(one, other, strict=True)])
    ours = similarity(to_tensor(other), to_tensor(one))
    assert float(ours) == pytest.approx(theirs, abs=1e-4)


def test_a_picture_is_like_itself_and_the_way_there_is_uphill():
    x = to_tensor(pictures(2))
    assert float(similarity(x, x)) == pytest.approx(1, abs=1e-5)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    y = (x + 0.1 * noise).requires_grad_()
    before = similarity(y, x)
    before.backward()
    with torch.no_grad():
        assert similarity(y + 10 * y.grad, x) > before
