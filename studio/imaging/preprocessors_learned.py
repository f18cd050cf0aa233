"""Preprocessors that look with a network of their own: depth, straight lines, HED edges, pose.

Each is two functions. `look` is slow: it shows the picture to the network and gives what that saw
as an array. `make` is quick: it draws the hint from what was seen, by the settings. So a slider
moves without the network. The networks are extras, opened elsewhere and given as `weights`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from studio.imaging.pose import drawn, people
from studio.imaging.preprocessors import Setting, three

Size = tuple[int, int]  # height, width
DEPTH_SIDE = 224
LINES_SIDE, LINES_MOST, LINES_LEAST = 512, 400, 0.02
HED_SIDE = 384  # two seconds of a CPU, and fine enough: the answer is soft


@dataclass(frozen=True, slots=True)
class Learned:
    """A preprocessor whose network is the extra `extra`.

    look(picture (H, W, 3) uint8, weights) → array; make(array, (H, W), **settings) → (H, W, 3).
    """

    extra: str
    look: Callable[[np.ndarray, Any], np.ndarray]
    make: Callable[..., np.ndarray]
    title: str
    settings: tuple[Setting, ...] = ()

    def draw(self, seen: np.ndarray, size: Size, **settings: float) -> np.ndarray:
        """The hint; settings that are not given have their defaults."""
        return self.make(seen, size, **{s.name: s.default for s in self.settings} | settings)


def see_depth(picture: np.ndarray, net: Any) -> np.ndarray:
    """1/depth as FastDepth sees it (Wofk et al. 2019), (224, 224) float32: near is large."""
    side = (DEPTH_SIDE, DEPTH_SIDE)
    net.setInput(_blob(cv2.resize(picture, side, interpolation=cv2.INTER_AREA) / 255.0))
    return 1 / np.maximum(net.forward()[0, 0], 0.05)  # metres, in rooms


def depth(seen: np.ndarray, size: Size, clip: float, blur: float) -> np.ndarray:
    """Grey, white is near: from the `clip`-th percentile to the one as far from the top.

    As control networks know it: 1/depth over the picture's own range. A flat one is black.
    """
    smooth = cv2.GaussianBlur(seen, (0, 0), blur) if blur > 0 else seen
    low, high = np.percentile(smooth, (clip, 100 - clip))
    if high - low < 1e-6:
        return np.zeros((*size, 3), np.uint8)
    return three(_grey(_resized((smooth - low) / (high - low), size)))


def see_lines(picture: np.ndarray, net: Any) -> np.ndarray:
    """Segments as M-LSD sees them (Gu et al. 2022): (K, 5) of x, y, x, y ∈ [0, 1] and a score.

    The network answers at half its size with scores of midpoints and offsets from these to both
    ends. It wants RGB from 0 to 255 and a fourth channel of ones, (1, 512, 512, 4).
    """
    side = (LINES_SIDE, LINES_SIDE)
    rgb = cv2.resize(picture, side, interpolation=cv2.INTER_AREA).astype(np.float32)
    net.setInput(np.concatenate([rgb, np.ones((*side, 1), np.float32)], axis=2)[None])
    offsets, scores = net.forward(["offsets", "scores"])
    return segments(offsets[0], scores[0, ..., 0])


def segments(offsets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(H, W, 4) offsets and (H, W) scores → (K, 5), the best first, at most LINES_MOST."""
    rows, columns = np.nonzero(scores > LINES_LEAST)
    best = np.argsort(-scores[rows, columns], kind="stable")[:LINES_MOST]
    rows, columns = rows[best], columns[best]
    middle = np.stack([columns, rows, columns, rows], axis=1).astype(np.float32)
    height, width = scores.shape
    ends = (middle + offsets[rows, columns]) / np.array([width, height, width, height])
    return np.column_stack([ends, scores[rows, columns]]).astype(np.float32)


def lines(seen: np.ndarray, size: Size, threshold: float, least: float, width: float) -> np.ndarray:
    """White segments of at least `least` px whose score, in per cent, is above `threshold`."""
    height, across = size
    paper = np.zeros(size, np.uint8)
    ends = seen[:, :4] * np.array([across, height, across, height], np.float32)
    long = np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]) >= least
    for x0, y0, x1, y1 in np.round(ends[long & (seen[:, 4] > threshold / 100)] * 16).astype(int):
        cv2.line(paper, (x0, y0), (x1, y1), 255, max(1, round(width)), cv2.LINE_AA, shift=4)
    return three(paper)


def see_hed(picture: np.ndarray, weights: Any) -> np.ndarray:
    """Edge probabilities ∈ [0, 1], (h, w) float16: the picture's shape, at most HED_SIDE a side."""
    from studio.imaging.hed import edges

    return edges(_at_most(picture, HED_SIDE), weights).astype(np.float16)


def hed(seen: np.ndarray, size: Size, threshold: float, gain: float) -> np.ndarray:
    """Soft edges, white on black; what is below `threshold` (of 255) is black, the rest × gain."""
    grey = 255 * gain * _resized(seen.astype(np.float32), size)
    return three(np.where(grey < threshold, 0, np.clip(grey, 0, 255)).round().astype(np.uint8))


def see_pose(picture: np.ndarray, weights: Any) -> np.ndarray:
    """(N, 18, 3) of N people: x, y ∈ [0, 1] and how sure, all 0 for what is not seen."""
    from studio.imaging.pose_net import answer

    return people(*answer(picture, weights))


def pose(seen: np.ndarray, size: Size, threshold: float, width: float) -> np.ndarray:
    """Figures of coloured limbs; keypoints that are less sure than `threshold` per cent are out.

    `width` is of a picture of 512 px: a figure is as thick at any size.
    """
    return drawn(seen, size, threshold / 100, width * min(size) / 512)


def _blob(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) → (1, 3, H, W) float32."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)


def _at_most(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture, made smaller where its longer side is longer than that."""
    share = side / max(picture.shape[:2])
    if share >= 1:
        return picture
    height, width = (max(1, round(share * length)) for length in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _resized(values: np.ndarray, size: Size) -> np.ndarray:
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR)


def _grey(share: np.ndarray) -> np.ndarray:
    return (np.clip(share, 0, 1) * 255).round().astype(np.uint8)


LEARNED = {
    "depth": Learned(
        "depth",
        see_depth,
        depth,
        "Depth",
        (Setting("clip", 2, 0, 20, 1), Setting("blur", 1.5, 0, 8, 0.5)),
    ),
    "lines": Learned(
        "lines",
        see_lines,
        lines,
        "Straight lines",
        (
            Setting("threshold", 10, 2, 80, 1),
            Setting("least", 8, 0, 100, 1),
            Setting("width", 1, 1, 9, 1),
        ),
    ),
    "hed": Learned(
        "hed",
        see_hed,
        hed,
        "HED edges",
        (Setting("threshold", 0, 0, 200, 5), Setting("gain", 1.0, 0.2, 4, 0.1)),
    ),
    "pose": Learned(
        "pose",
        see_pose,
        pose,
        "Pose",
        (Setting("threshold", 10, 10, 90, 5), Setting("width", 4, 1, 12, 1)),
    ),
}
