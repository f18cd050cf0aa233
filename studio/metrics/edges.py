"""How well one picture's edges lie on another's: precision, recall and F1 with a tolerance.

As boundaries are scored in segmentation (Martin, Fowlkes & Malik 2004), without their one-to-one
matching: an edge pixel is right if an edge of the other picture lies within the tolerance.
"""

from dataclasses import dataclass

import cv2
import numpy as np

TOLERANCE = 2  # pixels


@dataclass(frozen=True, slots=True)
class Match:
    """precision: the share of the found edge pixels near a given one; recall: the other way."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def match(found: np.ndarray, given: np.ndarray, tolerance: int = TOLERANCE) -> Match:
    """Compare two edge maps (H, W), nonzero where there is an edge; Euclidean distance in pixels.

    Two empty maps agree perfectly; an empty one and another not at all.
    """
    found, given = found > 0, given > 0
    if not found.any() or not given.any():
        same = float(found.any() == given.any())
        return Match(same, same)
    return Match(near(found, given, tolerance), near(given, found, tolerance))


def near(edges: np.ndarray, others: np.ndarray, tolerance: int) -> float:
    """The share of `edges` that has one of `others` within `tolerance` pixels."""
    distance = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[edges] <= tolerance + 1e-3).mean())
