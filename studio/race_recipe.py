"""The recipe of a race: its lanes, what they share, how fairness is counted, and its JSON.

It knows what a value may be, not which samplers there are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from studio.errors import BadRecipe, BadRequest, OverBudget
from studio.ranges import is_text, number, whole
from studio.recipe import MAX_STEPS, MAX_WORK, Guidance, Request

MODES = ("nfe", "steps")
SHOWN = ("both", "x0", "xt", "none")
LANES = (2, 12)
MAX_LADDER = 12
LADDER = (5, 10, 20, 40, 80)  # a good first ladder
LADDER_RANGE = (1, 400)
REFERENCE = (20, 1000)
RACE_WORK = 4 * MAX_WORK  # pixels × evaluations of everything that one race asks

Mode = Literal["nfe", "steps"]
Shown = Literal["both", "x0", "xt", "none"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One way from x_T to a picture. `eta` is ignored by samplers without it."""

    sampler: str
    steps: int = 20
    spacing: str = "trailing"
    eta: float = 0.0
    guidance: Guidance = field(default_factory=Guidance)

    def __post_init__(self) -> None:
        if isinstance(self.guidance, dict):
            object.__setattr__(self, "guidance", Guidance(**self.guidance))
        if isinstance(self.guidance.interval, list):
            pair = tuple(self.guidance.interval)
            object.__setattr__(self, "guidance", replace(self.guidance, interval=pair))
        for name in ("sampler", "spacing"):
            if not is_text(getattr(self, name)):
                raise BadRequest(f"The {name} must be text.")
        whole("number of steps", self.steps, 1, MAX_STEPS)
        number("η (eta)", self.eta, 0.0, 1.0)

    @property
    def label(self) -> str:
        """A short name in ids: what differs from the usual is said."""
        parts = [self.sampler, f"{self.steps} steps", self.spacing]
        if self.eta:
            parts.append(f"η {self.eta:g}")
        parts.append(f"cfg {self.guidance.scale:g}" if self.guidance.kind == "cfg" else "no cfg")
        return " · ".join(parts)


@dataclass(frozen=True, slots=True)
class RaceRequest:
    """A whole race. `base` says all that the lanes share: model, prompts, seed, size.

    Its own sampler, spacing, steps, η and guidance are not used. In mode "nfe" the engine gives
    every lane the steps of `Races.fair` at `nfe`; in mode "steps" lanes keep theirs. `reference`
    is the evaluations of the walk that errors are measured against, 0 for no measuring.
    `ladder`, evaluations again, asks for a convergence plot after the race. `shown` chooses which
    previews the lanes send; it changes no picture.
    """

    base: Request
    lanes: tuple[Lane, ...]
    mode: Mode = "steps"
    nfe: int = 20
    shown: Shown = "both"
    reference: int = 200
    ladder: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check every range; raises BadRequest or OverBudget with a sentence."""
        _read(self)
        if not LANES[0] <= len(self.lanes) <= LANES[1]:
            raise BadRequest(
                f"A race has {LANES[0]} to {LANES[1]} lanes, not {len(self.lanes)}; "
                "add or remove some."
            )
        if self.base.count != 1:
            raise BadRequest("A race makes one picture a lane; set the number of pictures to 1.")
        if self.mode not in MODES:
            raise BadRequest("A race is fair by nfe or by steps.")
        if self.shown not in SHOWN:
            raise BadRequest(f"A race shows one of {', '.join(SHOWN)}.")
        whole("number of evaluations", self.nfe, 1, MAX_STEPS)
        if self.reference != 0:
            whole("reference's evaluations", self.reference, *REFERENCE)
        check_ladder(self.ladder)
        for lane in range(len(self.lanes)):
            self.run(lane)
        check_work(self, self.base.width or 32, self.base.height or 32, [1] * len(self.lanes))

    def run(self, lane: int) -> Request:
        """The request of one lane: what Generate would run. Raises BadRequest."""
        of = self.lanes[lane]
        return self.base.with_(
            sampler=of.sampler,
            steps=of.steps,
            spacing=of.spacing,
            eta=of.eta,
            guidance=of.guidance,
        )

    def with_(self, **changes: Any) -> RaceRequest:
        """A copy with some fields changed, checked again."""
        return replace(self, **changes)

    def to_json(self) -> str:
        """One line of JSON with every field."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> RaceRequest:
        """The request that `to_json` wrote; anything else raises BadRecipe."""
        try:
            data = json.loads(text) if len(text) <= 100_000 else None
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict) or not isinstance(data.get("base"), dict):
            raise BadRecipe("This is not the recipe of a race; it was not read.")
        unknown = sorted(set(data) - {f.name for f in fields(RaceRequest)})
        if unknown:
            raise BadRecipe(f"The recipe has an unknown field: “{unknown[0][:40]}”.")
        try:
            base = Request.from_json(json.dumps(data["base"]))
            return RaceRequest(**{**data, "base": base})
        except BadRequest as error:
            raise BadRecipe(f"The recipe cannot be run: {error}") from None
        except TypeError:
            raise BadRecipe("This is not the recipe of a race; it was not read.") from None


def check_ladder(ladder: Sequence[int]) -> tuple[int, ...]:
    """Numbers of evaluations for a convergence plot; raises BadRequest."""
    if len(ladder) > MAX_LADDER:
        raise BadRequest(f"A ladder has at most {MAX_LADDER} rungs, not {len(ladder)}.")
    for rung in ladder:
        whole("number of evaluations", rung, *LADDER_RANGE)
    return tuple(ladder)


def check_work(r: RaceRequest, width: int, height: int, evaluations: Sequence[int]) -> None:
    """Raise OverBudget, with the sum, when the race asks too much at this size (in pixels).

    `evaluations` is how often each lane's sampler asks the network in a step.
    """
    pairs = zip(r.lanes, evaluations, strict=True)
    lanes = sum(lane.steps * asks for lane, asks in pairs)
    guidances = len({lane.guidance for lane in r.lanes})
    reference = guidances * (r.reference + r.reference // 2)
    ladder = len(r.lanes) * sum(r.ladder)
    work = width * height * (lanes + reference + ladder)
    if work > RACE_WORK:
        raise OverBudget(
            f"The lanes ask {lanes} times, the references {reference} and the ladder {ladder}: at "
            f"{width}×{height} that is {work / RACE_WORK:.1f} times what one race may take; take "
            "fewer or smaller ones."
        )


def _read(r: RaceRequest) -> None:
    """Turn JSON's lists and objects into values."""
    if not isinstance(r.base, Request):
        raise BadRequest("A race needs the request that its lanes share.")
    if not isinstance(r.lanes, list | tuple) or not isinstance(r.ladder, list | tuple):
        raise BadRequest("The lanes and the ladder of a race are lists.")
    lanes = [Lane(**lane) if isinstance(lane, dict) else lane for lane in r.lanes]
    if not all(isinstance(lane, Lane) for lane in lanes):
        raise BadRequest("The lanes and the ladder of a race are lists.")
    object.__setattr__(r, "lanes", tuple(lanes))
    object.__setattr__(r, "ladder", tuple(r.ladder))
