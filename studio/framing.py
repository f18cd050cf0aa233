"""What a checkpoint is told of the picture beside its words: SDXL's size conditioning.

Podell et al. 2023, sec. 2.2: the network saw how large each picture had been and where it was cut
out, so that small and badly cut pictures could be learned from without being imitated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from studio.errors import BadRequest
from studio.ranges import number, whole

MAX_SAID = 8192  # pixels
MAX_SCORE = 10.0


@dataclass(frozen=True, slots=True)
class Framing:
    """Sizes are (width, height) and `crop` (left, top), in pixels; (0, 0) is the picture's own.

    `original` is what the picture is said to have been before it was cut, `target` what it is
    said to be. The scores, from 0 to 10, tell the refiner how beautiful the picture is to be and
    what guidance leads away from. Checkpoints without these inputs ignore them.
    """

    original: tuple[int, int] = (0, 0)
    crop: tuple[int, int] = (0, 0)
    target: tuple[int, int] = (0, 0)
    score: float = 6.0
    negative_score: float = 2.5

    def __post_init__(self) -> None:
        """Check every range; raises BadRequest with a sentence."""
        for name in ("original", "crop", "target"):
            pair = getattr(self, name)
            if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
                raise BadRequest(f"The framing's {name} is two whole numbers.")
            for value in pair:
                whole(f"framing's {name}", value, 0, MAX_SAID)
            object.__setattr__(self, name, tuple(pair))
            if name != "crop" and 0 in pair and any(pair):
                raise BadRequest(f"The framing's {name} has one side only; give both, or none.")
        number("aesthetic score", self.score, 0.0, MAX_SCORE)
        number("negative aesthetic score", self.negative_score, 0.0, MAX_SCORE)


def read(data: Any) -> Framing:
    """A Framing from a recipe's JSON: an object. Raises BadRequest."""
    if isinstance(data, Framing):
        return data
    known = {f.name for f in fields(Framing)}
    if not isinstance(data, dict) or set(data) - known:
        raise BadRequest("The framing has fields that this studio does not know.")
    return Framing(**data)
