"""How sharp a picture is, without a second one to compare it with."""

from __future__ import annotations

import numpy as np

LUMA = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709


def sharpness(rgb: np.ndarray) -> float:
    """RMS of the Laplacian of the luma of (H, W, 3) uint8, in levels of 255; 0 for a flat picture.

    The Laplacian is that of the four neighbours, where all four are. It measures contrast at the
    finest scale: edges raise it, and so does noise.
    """
    y = rgb.astype(np.float64) @ LUMA
    inner = y[1:-1, 1:-1]
    if inner.size == 0:
        return 0.0
    laplacian = 4.0 * inner - y[:-2, 1:-1] - y[2:, 1:-1] - y[1:-1, :-2] - y[1:-1, 2:]
    return float(np.sqrt(np.mean(np.square(laplacian))))
