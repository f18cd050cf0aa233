"""Small drawn pictures and their noisy states for the scripted engine; numpy and PIL only."""

from __future__ import annotations

import colorsys
import hashlib
import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE = 128
HUES = {"red": 0.99, "blue": 0.6, "green": 0.36, "yellow": 0.13, "orange": 0.07, "purple": 0.77}


def drawing(prompt: str, seed: int, side: int = SIDE) -> np.ndarray:
    """A round fruit with a leaf; hue and shape follow prompt and seed. (H, W, 3) uint8."""
    digest = hashlib.sha256(f"{prompt}|{seed}".encode()).digest()
    hue = next((h for word, h in HUES.items() if word in prompt), digest[0] / 255)
    big = side * 4
    image = Image.new("RGB", (big, big), _rgb((hue + 0.5) % 1, 0.06, 0.98))
    draw = ImageDraw.Draw(image)
    radius = big * (0.27 + 0.06 * digest[1] / 255)
    x, y = big * (0.5 + 0.06 * (digest[2] / 255 - 0.5)), big * 0.56
    draw.ellipse(_box(x, y + radius * 0.95, radius * 0.9, radius * 0.16), _rgb(hue, 0.12, 0.88))
    draw.ellipse(_box(x - radius * 0.32, y, radius * 0.75, radius), _rgb(hue, 0.85, 0.86))
    draw.ellipse(_box(x + radius * 0.32, y, radius * 0.75, radius), _rgb(hue, 0.82, 0.8))
    draw.ellipse(
        _box(x - radius * 0.45, y - radius * 0.4, radius * 0.22, radius * 0.3),
        _rgb(hue, 0.35, 0.98),
    )
    draw.line(
        (x, y - radius * 0.8, x + radius * 0.1, y - radius * 1.35),
        _rgb(0.08, 0.6, 0.42),
        width=big // 32,
    )
    draw.polygon(
        [
            (x + radius * 0.08, y - radius * 1.1),
            (x + radius * 0.55, y - radius * 1.5),
            (x + radius * 0.85, y - radius * 1.2),
            (x + radius * 0.45, y - radius * 0.95),
        ],
        _rgb(0.33, 0.65, 0.62),
    )
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def noise(seed: int, side: int = SIDE) -> np.ndarray:
    """ε, standard normal, coarse as latent noise is. (H, W, 3) float32."""
    coarse = np.random.default_rng(seed).standard_normal((side // 4, side // 4, 3))
    return coarse.repeat(4, 0).repeat(4, 1).astype(np.float32)


def noisy(x0: np.ndarray, eps: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
    """x_t = α·x0 + σ·ε, back in 0..255."""
    centred = x0.astype(np.float32) / 127.5 - 1
    return _bytes(alpha * centred + sigma * eps)


def guess(x0: np.ndarray, share: float) -> np.ndarray:
    """x̂0 at t/T = share: the mean colour at the start, ever sharper later."""
    blurred = Image.fromarray(x0).filter(ImageFilter.GaussianBlur(28 * share**1.5))
    centred = np.asarray(blurred).astype(np.float32) / 127.5 - 1
    mean = centred.mean((0, 1), keepdims=True)
    return _bytes(mean + (centred - mean) * (1 - 0.75 * share**3))


def level(index: int, total: int) -> tuple[float, float, float, float]:
    """Share t/T, alpha, sigma, logsnr of step `index`: the cosine path, trailing spacing."""
    share = (total - index) / total * 0.985
    alpha, sigma = math.cos(share * math.pi / 2), math.sin(share * math.pi / 2)
    return share, alpha, sigma, 2 * math.log(alpha / sigma)


def encode(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    options = {"quality": 85} if kind == "JPEG" else {"compress_level": 3}
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def _bytes(values: np.ndarray) -> np.ndarray:
    return ((values.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _box(x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
    return x - rx, y - ry, x + rx, y + ry
