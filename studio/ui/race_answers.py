"""What the lanes' part of the page asks the server between clicks, as data and by a race's id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from studio.contract import Engine, Request
from studio.errors import BadRequest, NotFound
from studio.racing import Lane, RaceRequest
from studio.ui import race_messages
from studio.ui.player import FRAMES_AT_ONCE, guarded, light
from studio.ui.race_form import read_editor

_WHATS = ("xt", "x0")
_SCALES = (0.0, 50.0)


def for_editor(engine: Engine) -> list[Callable]:
    """Whether lanes are equal, and the steps that fair evaluations give them."""

    def check(ask: dict) -> dict:
        """Steps of every lane, the groups that are one walk, and the sentence where it is bad."""
        mode, nfe, lanes = read_editor(ask["value"], _scale(ask["scale"]))
        model = str(ask.get("model", ""))
        if mode == "nfe":
            lanes = tuple(engine.races.fair(lanes, nfe))
        return {
            "steps": [lane.steps for lane in lanes],
            "same": [race_messages.group(group) for group in engine.races.same(lanes, model)],
        }

    return [guarded(check)]


def for_stage(engine: Engine) -> list[Callable]:
    """Recorded frames, stopping one lane, and why two lanes differ."""
    races = engine.races

    def frames(ask: dict) -> dict:
        """Recorded frames [start, stop) of one lane as data URIs."""
        race, lane, what = str(ask["race"]), int(ask["lane"]), ask["what"]
        start = max(int(ask["start"]), 0)
        stop = min(int(ask["stop"]), start + FRAMES_AT_ONCE)
        if what not in _WHATS:
            raise NotFound("There is no such frame.")
        return {"frames": [light(races.frame(race, lane, k, what)) for k in range(start, stop)]}

    def stop_lane(ask: dict) -> dict:
        """Stop one lane; the others go on."""
        races.stop_lane(str(ask["race"]), int(ask["lane"]))
        return {}

    def why(ask: dict) -> dict:
        """What makes two lanes differ, the weightiest first."""
        one, other = (_lane(ask[name]) for name in ("one", "other"))
        return {"why": race_messages.marks(races.why(one, other, str(ask.get("model", ""))))}

    return [guarded(frames), guarded(stop_lane), guarded(why)]


def recipe_of(said: dict) -> RaceRequest:
    """The race that a message told of, as the page gives it back."""
    return RaceRequest.from_json(str(said.get("recipe", "")))


def lane_of(said: dict) -> Request:
    """What Generate would run for one lane of that race."""
    request, lane = recipe_of(said), said.get("lane")
    if type(lane) is not int or not 0 <= lane < len(request.lanes):
        raise BadRequest("There is no such lane.")
    return request.run(lane)


def ladder_of(said: Any) -> tuple[int, ...]:
    """The rungs that the page asked for, each once and upwards."""
    if not isinstance(said, list) or not all(type(rung) is int for rung in said[:100]):
        raise BadRequest("The lanes and the ladder of a race are lists.")
    return tuple(sorted(set(said[:100])))


def _lane(said: dict) -> Lane:
    """A lane as `race_messages.described` told it."""
    value = {"mode": "steps", "lanes": [{**said, "eta": said.get("eta") or 0.0}]}
    (lane,) = read_editor(value, _scale(said["scale"]))[2]
    return lane


def _scale(said: Any) -> float:
    """The guidance that lanes share, as far as the field has one."""
    good = type(said) in (int, float) and _SCALES[0] <= said <= _SCALES[1]
    return float(said) if good else 1.0
