"""What races leave for later ones: references by what defines them, and traits of models.

Written by the worker's thread alone; the rules read the traits from any.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from studio.racing import Reference
from studio.recipe import Guidance, Request

if TYPE_CHECKING:
    import numpy as np

KEPT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A reference with its state (C, H, W) float32 and its picture (H, W, 3) uint8."""

    said: Reference
    state: np.ndarray
    picture: np.ndarray


@dataclass(slots=True)
class Kept:
    """The newest references; by model how its path ends and whether its variance is learned;
    by model and size the seconds of a forward of so many rows alone, and of a decode (0 rows)."""

    traits: dict[str, tuple[str, bool]] = field(default_factory=dict)
    seconds: dict[tuple[str, int, int, int], float] = field(default_factory=dict)
    _walked: OrderedDict[str, Walked] = field(default_factory=OrderedDict)

    def get(self, key: str, cached: bool = True) -> Walked | None:
        """The reference of this key, said to be `cached` or not."""
        known = self._walked.get(key)
        if known is None:
            return None
        self._walked.move_to_end(key)
        return replace(known, said=replace(known.said, cached=cached))

    def put(self, key: str, walked: Walked) -> None:
        """Keep it; the one that was not asked for longest goes when there are too many."""
        self._walked[key] = walked
        while len(self._walked) > KEPT:
            self._walked.popitem(last=False)


def key(base: Request, guidance: Guidance, nfe: int) -> str:
    """What defines a reference: everything that changes the flow, its start, and the effort."""
    same = base.with_(
        sampler="ddim", steps=1, spacing="trailing", eta=0.0, guidance=guidance, alone=False
    )
    return f"{nfe} {same.to_json()}"
