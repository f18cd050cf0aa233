"""The hints a control network trains on: made once by the studio's own preprocessors, kept as bits.

Each picture has several. Canny's thresholds are drawn, so that the network knows what a visitor's
sliders make. A scribble is roughened: nobody draws a contour where it is, nor all of them. Strokes
are cut and left out, moved, drawn with pens of different widths, and the whole sheet is warped.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch

from studio.imaging.preprocessors import PREPROCESSORS, draw, strokes

VARIANTS = 4  # hints of each picture; the first with the default settings
UNSTEADY = (0.0, 0.3, 1.0)  # hands; with all of them unsteady, edges stay off the lines


def make(kind: str, picture: np.ndarray, seed: int) -> np.ndarray:
    """(VARIANTS, H, W) uint8 in {0, 255}: the hints of one picture."""
    plain = PREPROCESSORS[kind](picture)[..., 0]
    random = [np.random.default_rng((seed, i)) for i in range(VARIANTS - 1)]
    return np.stack([plain, *(VARIED[kind](picture, r) for r in random)])


def vary_canny(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Edges with other thresholds: (H, W) uint8 in {0, 255}."""
    low = float(np.exp(random.uniform(np.log(20), np.log(120))))
    high, blur = low * random.uniform(1.5, 3), random.uniform(0.5, 1.8)
    return PREPROCESSORS["canny"](picture, low=low, high=high, blur=blur)[..., 0]


def lines(kind: str, picture: np.ndarray) -> np.ndarray:
    """(H, W) uint8: the hint's lines one pixel wide, which generated edges are compared with."""
    thin = {"width": 1} if kind == "scribble" else {}
    return PREPROCESSORS[kind](picture, **thin)[..., 0]


def roughen(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A scribble of the picture by a hand that is more or less steady: (H, W) uint8 in {0, 255}."""
    height, width = picture.shape[:2]
    unsteady = random.choice(UNSTEADY)
    drawn = strokes(picture, random.uniform(1.0, 3.0), random.uniform(6, 30))
    kept = [line for line in drawn if random.random() > 0.15]
    moved = [
        line + unsteady * (random.normal(0, 0.8, 2) + random.normal(0, 0.5, line.shape))
        for line in kept
    ]
    paper = draw([m.astype(np.float32) for m in moved], (height, width), int(random.integers(2, 6)))
    paper = cv2.remap(paper, *_warp((height, width), random, 1.5 * unsteady), cv2.INTER_NEAREST)
    for _ in range(int(random.integers(0, 4))):  # a gap where the pen was lifted
        place = [int(v) for v in (random.uniform(0, width), random.uniform(0, height))]
        cv2.circle(paper, place, int(random.integers(4, 14)), 0, -1)
    return paper


def _warp(
    size: tuple[int, int], random: np.random.Generator, shift_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel is taken from: a smooth shift of about so many pixels."""
    height, width = size
    coarse = random.normal(0, shift_px, (2, 6, 6)).astype(np.float32)
    shift = [cv2.resize(c, (width, height), interpolation=cv2.INTER_CUBIC) for c in coarse]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x + shift[0], y + shift[1]


def pack(kind: str, pixels: np.ndarray, rows: list[int], seed: int = 0) -> np.ndarray:
    """Hints of these rows of (N, H, W, 3) pixels, (len(rows), V, H, W/8) uint8: a bit a pixel."""

    def one(row: int) -> np.ndarray:
        return np.packbits(make(kind, np.ascontiguousarray(pixels[row]), seed + row) > 0, axis=-1)

    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(one, rows)))


def unpack(bits: np.ndarray) -> torch.Tensor:
    """(B, H, W/8) bits → (B, 3, H, W) float32 in {0, 1}, as the network receives it."""
    grey = torch.from_numpy(np.unpackbits(bits, axis=-1)).float()
    return grey[:, None].expand(-1, 3, -1, -1).contiguous()


VARIED = {"canny": vary_canny, "scribble": roughen}
