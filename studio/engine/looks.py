"""Extras at work: networks opened once, and what preprocessors' networks saw of the last pictures.

Any thread may ask; one looks at a time. A hint is asked for while sliders move and again when its
run begins: the network looks once.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from studio.controls import Control
from studio.errors import BadRequest
from studio.extras.shelf import Shelf
from studio.imaging.preprocessors_learned import LEARNED

KEPT = 16  # answers; the largest is a map of half a megabyte


class Looks:
    """The extras of one folder, and what was seen with them."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._seen: OrderedDict[tuple[str, str], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def missing(self, preprocessor: str) -> str:
        """Why this preprocessor cannot be used here, in a sentence; "" where it can."""
        made = LEARNED.get(preprocessor)
        return self.shelf.missing(made.extra) if made else ""

    def check(self, controls: tuple[Control, ...]) -> None:
        """Raise BadRequest where one needs what is not installed."""
        for control in controls:
            if said := self.missing(control.preprocess):
                raise BadRequest(said)

    def hint(self, preprocessor: str, picture: np.ndarray, **settings: float) -> np.ndarray:
        """What the preprocessor makes of a picture (H, W, 3) uint8: one of the same size.

        Raises BadRequest where its network is not installed, BadData where it is damaged.
        """
        made = LEARNED[preprocessor]
        size = (picture.shape[0], picture.shape[1])
        shape = f"{size[0]}x{size[1]}:".encode()
        name = preprocessor, hashlib.sha256(shape + picture.tobytes()).hexdigest()
        weights = self.shelf.weights(made.extra)
        with self._lock:
            if name not in self._seen:
                self._seen[name] = made.look(picture, weights)
            self._seen.move_to_end(name)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)
            seen = self._seen[name]
        return made.draw(seen, size, **settings)

    def weights(self, extra: str) -> Any:
        """An installed extra's tensors; None where it is not installed."""
        return self.shelf.weights(extra) if self.shelf.here(extra) else None
