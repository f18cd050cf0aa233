"""From the events of two runs, one steered and one free, to what the Control tab's stage shows.

Each message is whole in itself: the page may miss any of them but the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from studio import contract as c
from studio.controls import ControlInfo
from studio.store.files import png_with_recipe
from studio.ui import stream, words

WAYS = ("with", "without")


class Board:
    """What is known of both runs so far."""

    def __init__(
        self, run: str, number: int, request: c.Request, hints: list[str],
        kinds: Mapping[str, ControlInfo],
    ) -> None:  # fmt: skip
        """`hints` are data URIs, one a control; `kinds` are the networks by id."""
        self._whole: dict[str, Any] = {
            "run": run,
            "number": number,
            "kind": "starting",
            "total": request.steps,
            "request": {"prompt": request.prompt, "seed": request.seed, "model": request.model},
            "controls": [
                asdict(control) | _kind(kinds.get(control.model), control.model)
                for control in request.controls
            ],
            "hints": hints,
            "norms": [],
            "ways": {way: {"index": -1, "nfe": 0, "state": "waiting"} for way in WAYS},
        }
        self._ended: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether both have ended."""
        return len(self._ended) == len(WAYS)

    def opening(self) -> dict[str, Any]:
        """The first message."""
        return dict(self._whole)

    def tell(self, batch: Iterable[tuple[str, c.Event]]) -> dict[str, Any]:
        """The message after these events."""
        for way, event in batch:
            _TELL.get(type(event), _nothing)(self._whole, self._whole["ways"][way], way, event)
            if isinstance(event, c.LAST):
                self._ended.add(way)
        if self.over:
            states = {way["state"] for way in self._whole["ways"].values()}
            self._whole["kind"] = next(
                (s for s in ("failed", "cancelled") if s in states), "finished"
            )
        return {**self._whole, "ways": {k: dict(v) for k, v in self._whole["ways"].items()}}


def _kind(info: ControlInfo | None, id: str) -> dict[str, Any]:
    return {"title": info.title if info else id, "whole": info is not None and info.whole}


def _loading(whole: dict, way: dict, name: str, event: c.Loading) -> None:
    whole["kind"] = "loading"
    whole["loading"] = {"model": event.model, "doing": event.doing, "share": event.share}


def _step(whole: dict, way: dict, name: str, event: c.Step) -> None:
    whole["kind"] = "running"
    whole["total"] = event.total
    way |= {"index": event.index, "nfe": event.nfe, "state": "running", "ms": event.step_ms}
    if event.x0:
        way |= {"x0": stream.jpeg(event.x0[0]), "xt": stream.jpeg(event.xt[0])}
    if name == "with":
        norms = whole["norms"]
        norms += [None] * (event.index + 1 - len(norms))
        norms[event.index] = [list(blocks) for blocks in event.control]


def _finished(whole: dict, way: dict, name: str, event: c.Finished) -> None:
    recipe = event.request.to_json()
    way |= {
        "state": "finished",
        "picture": stream.png(png_with_recipe(event.pictures[0], recipe)),
        "recorded": event.steps_recorded,
        "seconds": event.seconds,
        "nfe": event.nfe,
    }
    whole["noise"] = event.xt_sha256


def _cancelled(whole: dict, way: dict, name: str, event: c.Cancelled) -> None:
    way |= {"state": "cancelled", "recorded": event.steps_recorded}


def _failed(whole: dict, way: dict, name: str, event: c.Failed) -> None:
    way |= {"state": "failed"}
    whole["message"] = words.from_sentence(event.message)


def _nothing(whole: dict, way: dict, name: str, event: c.Event) -> None:
    return None


_TELL = {
    c.Loading: _loading,
    c.Step: _step,
    c.Finished: _finished,
    c.Cancelled: _cancelled,
    c.Failed: _failed,
}
