"""What steers a run beside its words: pictures that it starts from, keeps or follows.

Pictures are named by the SHA-256 of their pixels; the pictures themselves are the engine's to
keep. This module knows what a value may be, not which controls there are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from studio.errors import BadRequest
from studio.ranges import is_text, number

MAX_CONTROLS = 4
MAX_SCALE = 2.0
MAX_SETTINGS = 8
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Control:
    """A picture that the network follows through a control network (Zhang et al. 2023), or that
    prompts it through an adapter (Ye et al. 2023).

    `image` is the source picture; `preprocess` with its `settings` makes of it what the network
    receives. The residuals are multiplied by `scale` ∈ [0, 2] and added in the steps i of n with
    start ≤ i/n and (i + 1)/n ≤ end. `guess` steers the conditional row alone, each block by its
    own factor from 0.1 to 1. Of a prompt, what each cross-attention adds is multiplied.
    """

    model: str
    image: str
    preprocess: str = "none"
    settings: tuple[tuple[str, float], ...] = ()
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    guess: bool = False

    def __post_init__(self) -> None:
        """Check every range; raises BadRequest with a sentence."""
        for name in ("model", "preprocess"):
            if not is_text(getattr(self, name)) or not getattr(self, name):
                raise BadRequest(f"The control's {name} must be text.")
        check_picture("control's picture", self.image)
        object.__setattr__(self, "settings", _settings(self.settings))
        number("control's scale", self.scale, 0.0, MAX_SCALE)
        number("control's start", self.start, 0.0, 1.0)
        number("control's end", self.end, 0.0, 1.0)
        if self.start > self.end:
            raise BadRequest("A control must start before it ends.")
        if not isinstance(self.guess, bool):
            raise BadRequest("The control's guess mode must be true or false.")

    def active(self, step: int, steps: int) -> bool:
        """Whether it acts in step `step` of `steps`."""
        return self.scale > 0 and step / steps >= self.start and (step + 1) / steps <= self.end


@dataclass(frozen=True, slots=True)
class ControlInfo:
    """What is known of a control network without loading it.

    `preprocessor` with `settings` made the hints that it was trained on, "" where that is not
    said; `base` is the checkpoint it was trained for, "" for any of its `family`. `scale` and
    `guidance` are advised; None stands for the checkpoint's own. One that is `whole` takes the
    picture as a prompt, and follows no lines.
    """

    id: str
    title: str
    family: str
    preprocessor: str
    settings: tuple[tuple[str, float], ...]
    base: str
    parameters: int
    bytes: int
    licence: str
    card: str = ""
    scale: float = 1.0
    guidance: float | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A preprocessor's number: its default, its range and its step on a slider."""

    name: str
    default: float
    least: float
    most: float
    step: float


@dataclass(frozen=True, slots=True)
class PreprocessorInfo:
    """A way from a picture to a hint; the id "none" takes the picture as it is.

    `missing` names the extra that it needs and that is not installed.
    """

    id: str
    title: str
    settings: tuple[SettingInfo, ...] = ()
    missing: str = ""


class Steering(Protocol):
    """The engine's verbs about controls. Pictures are kept through `Engine.keep`."""

    def controls(self) -> tuple[ControlInfo, ...]: ...

    def preprocessors(self) -> tuple[PreprocessorInfo, ...]: ...

    def fits(self, control: str, model: str) -> str:
        """Why this control cannot steer this checkpoint, in a sentence; "" where it can."""
        ...

    def hint(self, control: Control, width: int, height: int) -> bytes:
        """The very tensor that the control's network receives, as PNG bytes.

        Raises NotFound for a picture that is not kept, BadRequest for a setting out of range.
        """
        ...


def check_picture(name: str, id: Any) -> None:
    """Raise BadRequest unless `id` names a picture."""
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise BadRequest(f"The {name} is missing; upload or draw one.")


def read(data: Any) -> tuple[Control, ...]:
    """Controls from a recipe's JSON: a list of objects. Raises BadRequest."""
    if not isinstance(data, Sequence) or isinstance(data, str) or len(data) > MAX_CONTROLS:
        raise BadRequest(f"A run follows a list of at most {MAX_CONTROLS} controls.")
    known = {f.name for f in fields(Control)}
    made = []
    for item in data:
        if isinstance(item, Control):
            made.append(item)
        elif not isinstance(item, dict) or set(item) - known or not {"model", "image"} <= set(item):
            raise BadRequest("A control has fields that this studio does not know, or lacks some.")
        else:
            made.append(Control(**item))
    return tuple(made)


def _settings(pairs: Any) -> tuple[tuple[str, float], ...]:
    """Names and numbers, sorted: the same settings make the same recipe."""
    pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
    sound = isinstance(pairs, Sequence) and len(pairs) <= MAX_SETTINGS
    if not sound or not all(isinstance(p, Sequence) and len(p) == 2 for p in pairs):
        raise BadRequest("A preprocessor's settings are names with a number each.")
    for name, value in pairs:
        if not is_text(name) or len(name) > 40:
            raise BadRequest("A preprocessor's settings are names with a number each.")
        number("preprocessor's setting", value, -1e4, 1e4)
    return tuple(sorted((str(name), float(value)) for name, value in pairs))
