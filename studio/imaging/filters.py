"""Soft hints: gradients, drawn lines, blur and colours instead of edges one pixel wide.

Each takes an upright RGB picture (H, W, 3) uint8 and returns one of the same size.
"""

import cv2
import numpy as np
from PIL import Image

STRONG = 0.995  # quantile of the gradient that is drawn white


def soft_edge(picture: np.ndarray, blur: float, gain: float) -> np.ndarray:
    """Grey edges as strong as the colour changes: the largest Scharr gradient of L*a*b*.

    Scaled so that the strongest half per cent is white, then times `gain`; a picture without
    contrast stays black.
    """
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    if blur > 0:
        lab = cv2.GaussianBlur(lab, (0, 0), blur)
    across = cv2.Scharr(lab, cv2.CV_32F, 1, 0)
    down = cv2.Scharr(lab, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down).max(axis=2) / 32  # Scharr's weights sum to 16 a side: per px
    most = max(float(np.quantile(strength, STRONG)), 2.0)  # under 2 L* a pixel is no edge
    return _grey(255 * gain * strength / most)


def line_art(picture: np.ndarray, width: float, threshold: float) -> np.ndarray:
    """Dark lines of the picture, white on black: how much darker a pixel is than around it.

    `width` is the radius of the surroundings in pixels, `threshold` the difference (of 255) from
    which a line is seen; twice that is white.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    around = cv2.GaussianBlur(grey, (0, 0), max(width, 0.3))
    return _grey(255 * (around - grey - threshold) / max(threshold, 1.0))


def tile(picture: np.ndarray, factor: float) -> np.ndarray:
    """The picture without its details: made smaller by `factor` and larger again."""
    height, width = picture.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    less = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(less, (width, height), interpolation=cv2.INTER_CUBIC)


def palette(picture: np.ndarray, colours: float, blocks: float) -> np.ndarray:
    """At most `colours` colours (median cut) in squares, `blocks` of them along the longer side."""
    height, width = picture.shape[:2]
    share = min(1.0, blocks / max(height, width))
    small = (max(1, round(width * share)), max(1, round(height * share)))
    coarse = Image.fromarray(cv2.resize(picture, small, interpolation=cv2.INTER_AREA))
    few = coarse.quantize(round(colours), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    flat = np.asarray(few.convert("RGB"))
    return cv2.resize(flat, (width, height), interpolation=cv2.INTER_NEAREST)


def drawing(picture: np.ndarray, threshold: float, width: float) -> np.ndarray:
    """A drawing's strokes in white on black, whichever of paper and pen is the darker.

    What differs from the paper by more than `threshold` (of 255) is pen; strokes grow to at least
    `width` pixels. The paper is the median colour along the picture's rim, channel by channel.
    """
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])  # (K, 3)
    paper = np.median(rim, axis=0).astype(np.int16)
    away = np.abs(picture.astype(np.int16) - paper).max(axis=2)
    pen = (away > threshold).astype(np.uint8) * 255
    grow = max(0, round(width) - 1)
    if grow:
        pen = cv2.dilate(pen, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grow + 1, grow + 1)))
    return np.repeat(pen[..., None], 3, axis=2)


def _grey(values: np.ndarray) -> np.ndarray:
    """(H, W) → (H, W, 3) uint8, clipped."""
    return np.repeat(np.clip(values, 0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
