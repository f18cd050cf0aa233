"""Features that pictures are compared in. Each space has a name, and figures in two spaces are two
kinds of figures.

"own" is a small network that was trained here and ships with the studio, "looks" is no network at
all, "inception" is the Inception-v3 of the literature, fetched apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BATCH = 64


@dataclass(frozen=True, slots=True)
class Described:
    """features (N, D) float32 of mean square about 1; spatial (N, S) and probabilities (N, K), or
    no columns where the space has none.
    """

    features: np.ndarray
    spatial: np.ndarray
    probabilities: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def some(self, rows: Sequence[int]) -> Described:
        """These rows."""
        at = list(rows)
        return Described(self.features[at], self.spatial[at], self.probabilities[at])


class Space(Protocol):
    """`words` say what it is; `key` changes whenever its numbers would.

    `most` limits the gallery where a picture is dear to describe; 0 does not.
    """

    name: str
    words: str
    key: str
    most: int

    def describe(self, pictures: Sequence[np.ndarray]) -> Described:
        """Pictures (H, W, 3) uint8, all of one size."""
        ...


class Own:
    """The features of `metrics/icon_net.py`."""

    name, most = "own", 0
    words = "own features: IconNet, 96 numbers, trained to name the concepts of the training icons"

    def __init__(self) -> None:
        from studio.metrics import icon_net

        self._prepared, self._network = icon_net.prepared, icon_net.load()
        self.key = "own-" + hashlib.sha256(icon_net.WEIGHTS.read_bytes()).hexdigest()[:12]

    def describe(self, pictures: Sequence[np.ndarray]) -> Described:
        import torch

        parts = []
        with torch.inference_mode():
            for first in range(0, len(pictures), BATCH):
                some = torch.from_numpy(np.stack(pictures[first : first + BATCH]))
                seen = self._network(self._prepared(some))
                parts.append((seen.features, seen.spatial, seen.logits.softmax(1)))
        features, spatial, probabilities = (torch.cat(p).numpy() for p in zip(*parts, strict=True))
        return Described(features * features.shape[1] ** 0.5, spatial, probabilities)


class Looks:
    """Gradients and colours over a grid: `metrics/looks.py`."""

    name = key = "looks"
    most = 0
    words = "own features: histograms of gradients and colours over a grid, nothing learned"

    def describe(self, pictures: Sequence[np.ndarray]) -> Described:
        from studio.metrics import looks

        found = np.stack([looks.describe(np.ascontiguousarray(p)) for p in pictures])
        return plain(found * found.shape[1] ** 0.5)


def plain(features: np.ndarray) -> Described:
    """Features alone."""
    nothing = np.zeros((len(features), 0), np.float32)
    return Described(features.astype(np.float32), nothing, nothing)


def _inception() -> Space:
    from studio.evaluation.inception import Inception

    return Inception()


SPACES: dict[str, Callable[[], Space]] = {"own": Own, "looks": Looks, "inception": _inception}
