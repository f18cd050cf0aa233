"""How far two states or two pictures are apart: RMSE, PSNR, SSIM.

Plain arrays; no torch. PSNR of pictures is `imaging.encode.psnr`.
"""

from __future__ import annotations

import numpy as np

SIGMA, REACH = 1.5, 5  # of SSIM's window: 11 pixels a side
K1, K2 = 0.01, 0.03


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    """√ of the mean squared difference per value, of any two arrays of one shape."""
    return float(np.sqrt(np.mean(np.square(a.astype(np.float64) - b))))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two pictures (H, W, 3) uint8, in [-1, 1]; 1 is the same picture.

    Wang et al. 2004, eq. 13, with their Gaussian window, constants and no padding: the mean over
    the places where the whole window fits, and over the channels. Raises ValueError for pictures
    smaller than the window.
    """
    if min(a.shape[:2]) <= 2 * REACH:
        raise ValueError(f"SSIM needs pictures of more than {2 * REACH} pixels a side")
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x = _blurred(x * x) - mean_x * mean_x
    var_y = _blurred(y * y) - mean_y * mean_y
    both = _blurred(x * y) - mean_x * mean_y
    c1, c2 = (K1 * 255.0) ** 2, (K2 * 255.0) ** 2
    above = (2.0 * mean_x * mean_y + c1) * (2.0 * both + c2)
    below = (mean_x * mean_x + mean_y * mean_y + c1) * (var_x + var_y + c2)
    return float(np.mean(above / below))


def _blurred(x: np.ndarray) -> np.ndarray:
    """(H, W, C) → (H - 10, W - 10, C): the Gaussian window's mean where it fits."""
    window = np.exp(-0.5 * np.square(np.arange(-REACH, REACH + 1) / SIGMA))
    window /= window.sum()
    for axis in (0, 1):
        count = x.shape[axis] - 2 * REACH
        parts = (w * np.take(x, range(k, k + count), axis=axis) for k, w in enumerate(window))
        x = sum(parts, np.zeros(()))
    return x
