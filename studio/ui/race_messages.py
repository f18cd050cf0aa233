"""From a race's events to what the page shows: one board that is told again with every message.

Numbers are whole in every message, since the page may miss any of them but the last; a step's
pictures travel once, and the last message has every lane's picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from studio import racing as r
from studio.contract import Choices
from studio.ui import words
from studio.ui.player import light
from studio.ui.stream import jpeg

BEST = 999.0  # dB: two pictures without a difference, where JSON has no infinity


@dataclass
class Board:
    """What is known of one race. `number` counts the races of this tab of the browser."""

    race: str
    number: int
    choices: Choices
    said: dict[str, Any] = field(default_factory=dict)
    lanes: list[dict] = field(default_factory=list)
    pictures: dict[int, str] = field(default_factory=dict)
    frames: list[dict] = field(default_factory=list)  # not told yet
    fresh: list[int] = field(default_factory=list)  # lanes whose pictures were not told yet

    def tell(self, batch: list[r.RaceEvent]) -> dict[str, Any]:
        """Take the events in; the message that the page is sent for them."""
        for event in batch:
            _TAKE[type(event)](self, event)
        if isinstance(batch[-1], r.RACE_LAST):
            self.fresh = list(self.pictures)
        shown = [{"lane": k, "png": self.pictures[k]} for k in self.fresh]
        message = {
            **self.said, "race": self.race, "number": self.number, "lanes": self.lanes,
            "frames": self.frames, "pictures": shown,
        }  # fmt: skip
        self.frames, self.fresh = [], []
        return message

    def opening(self, request: r.RaceRequest) -> dict[str, Any]:
        """The message before the first event."""
        self._begin(request)
        return self.tell([r.RaceQueued(self.race, request, ())])

    def _begin(self, request: r.RaceRequest) -> None:
        self.said["request"] = {
            "model": request.base.model, "prompt": request.base.prompt,
            "seed": str(request.base.seed), "mode": request.mode, "nfe": request.nfe,
            "reference": request.reference, "recipe": request.to_json(),
        }  # fmt: skip
        if len(self.lanes) != len(request.lanes):
            self.lanes = [{"state": "waiting", "trail": []} for _ in request.lanes]
        for known, lane in zip(self.lanes, request.lanes, strict=True):
            known.update(described(lane, self.choices))

    def _queued(self, event: r.RaceQueued) -> None:
        self._begin(event.request)
        self.said.update(kind="queued", ahead=event.ahead)

    def _loading(self, event: r.RaceLoading) -> None:
        self.said.update(kind="loading", doing=event.doing, share=event.share)

    def _step(self, event: r.LaneStep) -> None:
        self.said["kind"] = "racing"
        lane = self.lanes[event.lane]
        lane["trail"].append([event.nfe, finite(event.logsnr), event.index])
        lane.update(
            state="going", index=event.index, total=event.total, nfe=event.nfe, rows=event.rows,
            t=event.t, left=event.left_s, ms=event.step_ms, shared=event.shared_with,
        )  # fmt: skip
        if event.x0 or event.xt:
            pictures = {"xt": event.xt, "x0": event.x0}
            told = {what: jpeg(data) for what, data in pictures.items() if data}
            self.frames.append({"lane": event.lane, "index": event.index, **told})

    def _finished(self, event: r.LaneFinished) -> None:
        self.said.update(kind="racing", noise=event.xt_sha256)
        self.lanes[event.lane].update(
            state="done", nfe=event.nfe, rows=event.rows, seconds=event.seconds, left=0.0,
            recorded=event.steps_recorded,
        )  # fmt: skip
        self.pictures[event.lane] = light(event.png)
        self.fresh.append(event.lane)

    def _stopped(self, event: r.LaneStopped) -> None:
        self.said["kind"] = "racing"
        why = words.from_sentence(event.message) if event.message else None
        state = "failed" if event.message else "stopped"
        self.lanes[event.lane].update(state=state, recorded=event.steps_recorded, message=why)

    def _measuring(self, event: r.Measuring) -> None:
        self.said.update(kind="measuring", measuring=measuring(event))

    def _point(self, event: r.Point) -> None:
        self.said.setdefault("points", []).append(point(event))

    def _ended(self, event: r.RaceFinished) -> None:
        self.said.update(kind="finished", result=result(event.result, self.choices))
        self.said.update(noise=event.result.xt_sha256, measuring=None)

    def _cancelled(self, _event: r.RaceCancelled) -> None:
        self.said.update(kind="cancelled", measuring=None)
        self._leave("stopped")

    def _failed(self, event: r.RaceFailed) -> None:
        message = words.from_sentence(event.message)
        self.said.update(kind="failed", message=message, measuring=None)
        self._leave("failed")

    def _leave(self, state: str) -> None:
        for lane in self.lanes:
            if lane["state"] in ("waiting", "going"):
                lane.update(state=state, recorded=len(lane["trail"]))


def recorded(folder: Path) -> dict[str, Any]:
    """The bundled race as a message; an empty stage when it is missing or does not parse."""
    try:
        told = json.loads((folder / "race.json").read_text(encoding="utf-8"))
        for frame in told["frames"]:
            frame["x0"] = _asset(folder, frame["x0"])
        for pictured in (*told["pictures"], *told["result"]["references"]):
            pictured["png"] = _asset(folder, pictured["png"])
        return {**told, "kind": "recorded", "race": "recorded", "number": 0}
    except (OSError, ValueError, KeyError, TypeError):
        return {"kind": "empty", "race": "", "number": 0}


def _asset(folder: Path, name: str) -> str:
    if Path(name).name != name or not (folder / name).is_file():
        raise ValueError(f"the recorded race has no file {name!r}")
    return f"studio-assets/{folder.name}/{name}"


def described(lane: r.Lane, choices: Choices) -> dict[str, Any]:
    """A lane in the words of the lists that it was chosen from."""
    sampler = next((s for s in choices.samplers if s.id == lane.sampler), None)
    spacing = next((s for s in choices.spacings if s.id == lane.spacing), None)
    return {
        "sampler": lane.sampler,
        "label": sampler.label if sampler else lane.sampler,
        "noisy": bool(sampler and (sampler.stochastic or (sampler.uses_eta and lane.eta > 0))),
        "evaluations": sampler.evaluations if sampler else 1,
        "steps": lane.steps,
        "spacing": lane.spacing,
        "spaced": spacing.label if spacing else lane.spacing,
        "eta": lane.eta if sampler and sampler.uses_eta else None,
        "scale": lane.guidance.scale,
    }


def measuring(event: r.Measuring) -> dict[str, Any]:
    """What is done after the lanes, for the page's line."""
    return {"doing": event.doing, "done": event.done, "total": event.total}


def result(made: r.RaceResult, choices: Choices) -> dict[str, Any]:
    """The table and all that stands around it."""
    labels = {s.id: s.label for s in choices.samplers}
    guided = [reference.guidance for reference in made.references]
    return {
        "rows": [_row(row, guided) for row in made.rows],
        "same": [group(each) for each in made.same],
        "references": [
            {"sampler": labels.get(ref.sampler, ref.sampler), "nfe": ref.nfe, "error": ref.error,
             "scale": ref.guidance.scale, "cached": ref.cached, "png": light(ref.png)}
            for ref in made.references
        ],
        "convergence": convergence(made.convergence) if made.convergence else None,
        "seconds": made.seconds,
        "notes": [words.from_sentence(note) for note in made.notes],
    }  # fmt: skip


def convergence(made: r.Convergence) -> dict[str, Any]:
    """The plot's points, its fitted orders and the floor under which nothing is said."""
    fits = [{**asdict(fit), "words": words.from_sentence(fit.words)} for fit in made.fits]
    return {"points": [point(p) for p in made.points], "fits": fits, "floor": made.floor}


def point(made: r.Point) -> dict[str, Any]:
    """One lane's error at one rung."""
    return asdict(made)


def group(made: r.Group) -> dict[str, Any]:
    """Lanes that are one walk."""
    return {"lanes": list(made.lanes), "why": marks(made.why)}


def marks(of: tuple[r.Mark, ...]) -> list[dict]:
    """Marks with their words as messages, which the page says in the visitor's language."""
    return [{"kind": mark.kind, "said": words.from_sentence(mark.words)} for mark in of]


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def _row(row: r.Row, guided: list) -> dict[str, Any]:
    """One lane's line; `reference` is the place of the picture that it was measured against."""
    numbers = ("nfe", "rows", "seconds", "seconds_raced", "sharpness", "lane", "order", "steps")
    near = {name: getattr(row, name) for name in ("rmse", "psnr", "ssim", "lpips")}
    return {
        **{name: getattr(row, name) for name in numbers},
        **{name: None if value is None else min(value, BEST) for name, value in near.items()},
        "marks": marks(row.marks),
        "reference": guided.index(row.guidance) if row.guidance in guided else None,
    }


_TAKE: dict[type, Callable[[Board, Any], None]] = {
    r.RaceQueued: Board._queued,
    r.RaceLoading: Board._loading,
    r.LaneStep: Board._step,
    r.LaneFinished: Board._finished,
    r.LaneStopped: Board._stopped,
    r.Measuring: Board._measuring,
    r.Point: Board._point,
    r.RaceFinished: Board._ended,
    r.RaceCancelled: Board._cancelled,
    r.RaceFailed: Board._failed,
}
