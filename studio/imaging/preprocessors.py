"""From a picture to what a control network is shown: one short function each, on OpenCV.

A function takes an upright RGB picture, (H, W, 3) uint8, at the size the network will see, and
returns (H, W, 3) uint8 of the same size; white is "here". Training and inference call the same
functions: a control network only knows the hints that it was trained on. Nothing here is random.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from studio.imaging.filters import drawing, line_art, palette, soft_edge, tile

STROKE_BLUR, STROKE_LOW, STROKE_HIGH = 1.6, 40, 100


@dataclass(frozen=True, slots=True)
class Setting:
    """A number that a preprocessor takes: its range, its step on a slider and its default."""

    name: str
    default: float
    least: float
    most: float
    step: float


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """A function of a picture and its settings by name."""

    make: Callable[..., np.ndarray]
    title: str
    settings: tuple[Setting, ...] = ()

    def __call__(self, picture: np.ndarray, **settings: float) -> np.ndarray:
        """The hint; settings that are not given have their defaults."""
        return self.make(picture, **{s.name: s.default for s in self.settings} | settings)


def canny(picture: np.ndarray, low: float, high: float, blur: float) -> np.ndarray:
    """One-pixel edges of the grey picture (Canny 1986), after a Gaussian of `blur` px."""
    grey = smooth(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), blur)
    return three(cv2.Canny(grey, min(low, high), max(low, high)))


def scribble(picture: np.ndarray, width: float, simplify: float, least: float) -> np.ndarray:
    """The main contours as a hand would draw them: few, simple, thick."""
    height, across = picture.shape[:2]
    return three(draw(strokes(picture, simplify, least), (height, across), round(width)))


def strokes(picture: np.ndarray, simplify: float, least: float) -> list[np.ndarray]:
    """The picture's contours as polylines (K, 2) of x and y in pixels.

    Edges of the blurred picture, followed, simplified (Douglas & Peucker 1973) to within
    `simplify` px; those shorter than `least` px are left out.
    """
    grey = smooth(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), STROKE_BLUR)
    edges = cv2.Canny(grey, STROKE_LOW, STROKE_HIGH)
    found, _ = cv2.findContours(edges, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    long = [line for line in found if cv2.arcLength(line, True) >= 2 * least]  # there and back
    return [cv2.approxPolyDP(line, simplify, True)[:, 0].astype(np.float32) for line in long]


def draw(lines: list[np.ndarray], size: tuple[int, int], width: int) -> np.ndarray:
    """Closed polylines of `width` px, white on black: (H, W) uint8."""
    paper = np.zeros(size, np.uint8)
    whole = [np.round(line * 16).astype(np.int32).reshape(-1, 1, 2) for line in lines]
    cv2.polylines(paper, whole, True, 255, max(1, width), cv2.LINE_8, shift=4)
    return paper


def smooth(grey: np.ndarray, blur: float) -> np.ndarray:
    return cv2.GaussianBlur(grey, (0, 0), blur) if blur > 0 else grey


def three(grey: np.ndarray) -> np.ndarray:
    """(H, W) → (H, W, 3), the same in each channel."""
    return np.repeat(grey[..., None], 3, axis=2)


PREPROCESSORS = {
    "canny": Preprocessor(
        canny,
        "Canny edges",
        (
            Setting("low", 50, 0, 500, 5),
            Setting("high", 120, 0, 500, 5),
            Setting("blur", 1.0, 0, 5, 0.1),
        ),
    ),
    "scribble": Preprocessor(
        scribble,
        "Scribble",
        (
            Setting("width", 3, 1, 9, 1),
            Setting("simplify", 1.5, 0, 6, 0.1),
            Setting("least", 10, 0, 60, 1),
        ),
    ),
    "drawing": Preprocessor(
        drawing,
        "Drawing",
        (Setting("threshold", 60, 5, 250, 5), Setting("width", 3, 1, 15, 1)),
    ),
    "soft_edge": Preprocessor(
        soft_edge,
        "Soft edges",
        (Setting("blur", 1.0, 0, 5, 0.1), Setting("gain", 1.0, 0.2, 4, 0.1)),
    ),
    "line_art": Preprocessor(
        line_art,
        "Line art",
        (Setting("width", 3.0, 0.5, 15, 0.5), Setting("threshold", 6, 1, 60, 1)),
    ),
    "tile": Preprocessor(tile, "Blur (tile)", (Setting("factor", 8, 1, 32, 1),)),
    "palette": Preprocessor(
        palette,
        "Palette",
        (Setting("colours", 8, 2, 64, 1), Setting("blocks", 32, 2, 128, 1)),
    ),
}
