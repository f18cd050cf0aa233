"""RGB arrays to JPEG and PNG bytes, and the stated filters that enlarge small pictures.

Live previews are JPEG (cheap to make and to send), results are PNG (exact, and they carry text).
"""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image

JPEG_QUALITY = 88
PNG_LEVEL = 1  # twice the speed of zlib's default for a few per cent of size


def jpeg(rgb: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """(H, W, 3) uint8 → a baseline JPEG."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


def png(rgb: np.ndarray) -> bytes:
    """(H, W, 3) uint8 → a PNG without metadata."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "PNG", compress_level=PNG_LEVEL)
    return out.getvalue()


def pixels_sha256(rgb: np.ndarray) -> str:
    """SHA-256 of the RGB bytes in row order."""
    return hashlib.sha256(np.ascontiguousarray(rgb).tobytes()).hexdigest()


def enlarge_nearest(rgb: np.ndarray, factor: int) -> np.ndarray:
    """(…, H, W, 3) → (…, factor·H, factor·W, 3): every value a square. For states and latents."""
    if factor <= 1:
        return rgb
    return rgb.repeat(factor, axis=-3).repeat(factor, axis=-2)


def enlarge_lanczos(rgb: np.ndarray, factor: int) -> np.ndarray:
    """(H, W, 3) → (factor·H, factor·W, 3) by Lanczos' windowed sinc. For pictures."""
    if factor <= 1:
        return rgb
    height, width = rgb.shape[:2]
    size = (width * factor, height * factor)
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 arrays in dB; 99 when they are equal."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return 99.0 if error == 0 else float(10 * np.log10(255.0**2 / error))
