"""Distances against scikit-image and against values that can be worked out by hand."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from studio.metrics.distance import rmse, ssim

DRAW = np.random.default_rng(0)
NOISE = DRAW.integers(0, 256, (48, 40, 3), dtype=np.uint8)
RAMP = np.broadcast_to(np.arange(40, dtype=np.uint8)[None, :, None] * 6, (48, 40, 3)).copy()
NEAR = np.clip(RAMP.astype(int) + DRAW.integers(-20, 21, RAMP.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("pair", [(RAMP, NEAR), (NOISE, RAMP), (NOISE, NOISE), (NEAR, NOISE)])
def test_ssim_is_scikit_images_with_wangs_window(pair):
    theirs = structural_similarity(
        *pair, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False,
    )  # fmt: skip
    # scikit-image averages over the same places: its border is half a window
    assert ssim(*pair) == pytest.approx(theirs, abs=1e-9)


def test_ssim_of_two_flat_pictures_is_the_luminance_term():
    a, b = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 50, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 50 + c1) / (100**2 + 50**2 + c1), rel=1e-9)


def test_ssim_says_when_a_picture_is_too_small():
    with pytest.raises(ValueError, match="more than 10"):
        ssim(NOISE[:8], RAMP[:8])


def test_rmse_of_a_constant_shift_is_the_shift():
    x = DRAW.standard_normal((4, 8, 8)).astype(np.float32)
    assert rmse(x, x + np.float32(0.25)) == pytest.approx(0.25, rel=1e-5)
    assert rmse(NOISE, NOISE) == 0.0


def test_rmse_of_bytes_does_not_wrap():
    a, b = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 200, np.uint8)
    assert rmse(a, b) == 200.0
