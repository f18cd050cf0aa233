"""What XL checkpoints are asked beside the words, in the Generate form: sizes, and a refiner.

The fold is seen only with a checkpoint that is told of sizes, or in a recipe that names a refiner.
A size that is left empty is the picture's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.contract import CheckpointInfo, Engine, Framing, Request
from studio.ui.form import number, whole
from studio.ui.words import word

PLAIN = Request(model="")  # as a request is that says nothing of all this
PAIRS = {"original": ("width", "height"), "crop": ("left", "top"), "target": ("width", "height")}
SCORES = ("score", "negative_score")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The fold and its components; `sides` are the PAIRS' numbers, `scores` the SCORES'."""

    fold: gr.Accordion
    sides: tuple[gr.Number, ...]
    scores: tuple[gr.Slider, ...]
    refiner: gr.Radio
    handover: gr.Slider

    def inputs(self) -> list:
        """The components in the order in which `read` takes their values."""
        return [*self.sides, *self.scores, self.refiner, self.handover]

    def outputs(self) -> list:
        """Everything that `fill` updates."""
        return [*self.inputs(), self.fold]

    def read(self, request: Request, values: tuple) -> Request:
        """The request with what is said here. Raises BadRequest with a sentence."""
        left = iter(values)
        said: dict[str, Any] = {}
        for name in PAIRS:
            pair = next(left), next(left)
            said[name] = tuple(
                0 if v in (None, "") else whole(f"framing's {name}", v) for v in pair
            )
        said["score"] = number("aesthetic score", next(left))
        said["negative_score"] = number("negative aesthetic score", next(left))
        refiner = str(next(left) or "")
        handover = number("hand-over", next(left))
        return request.with_(framing=Framing(**said), refiner=refiner, handover=handover)

    def fill(self, engine: Engine, request: Request) -> dict[Any, Any]:
        """Component → update that makes these say a request, and shows or hides the fold."""
        values = dict(zip(self.inputs(), _said(request), strict=True))
        values[self.refiner] = gr.update(choices=refiners(engine, request), value=request.refiner)
        values[self.fold] = gr.update(visible=shown(engine, request), open=_special(request))
        return values


def controls(engine: Engine, request: Request) -> Sizes:
    """Lay the fold out, filled for a request."""
    said = _said(request)
    visible = shown(engine, request)
    with gr.Accordion(
        word("framing_more"), open=_special(request), visible=visible, elem_id="framing_more"
    ) as fold:
        sides: list[gr.Number] = []
        for name, pair in PAIRS.items():
            with gr.Row(elem_classes="pair"):
                sides += [_side(f"framing_{name}_{side}", said[len(sides) + k])
                          for k, side in enumerate(pair)]  # fmt: skip
        refiner = gr.Radio(
            refiners(engine, request), value=request.refiner, label=word("framing_refiner"),
            info=word("framing_refiner_hint"), elem_id="framing_refiner",
        )  # fmt: skip
        handover = _slider("framing_handover", request.handover, 1, 0.05)
        scores = [
            _slider(f"framing_{name}", getattr(request.framing, name), 10, 0.5) for name in SCORES
        ]
    return Sizes(fold, tuple(sides), tuple(scores), refiner, handover)


def shown(engine: Engine, request: Request) -> bool | str:
    """The fold's `visible`; "hidden" keeps the fields in the page, so that they keep values."""
    framed = any(info.framed for info in engine.catalog() if info.id == request.model)
    return framed or bool(request.refiner) or "hidden"


def refiners(engine: Engine, request: Request) -> list[tuple[Any, str]]:
    """None, the checkpoints that are made to refine, and the one that the request names."""
    infos: tuple[CheckpointInfo, ...] = engine.catalog()
    found = [(i.title, i.id) for i in infos if i.refines or i.id == request.refiner]
    if request.refiner and request.refiner not in {id for _, id in found}:
        found.append((request.refiner, request.refiner))  # the engine says that it is not here
    return [(word("framing_none"), ""), *found]


def _said(request: Request) -> list[Any]:
    framing = request.framing
    empty = {"original": None, "crop": 0, "target": None}
    sides = [value or empty[name] for name in PAIRS for value in getattr(framing, name)]
    return [*sides, *(getattr(framing, s) for s in SCORES), request.refiner, request.handover]


def _special(request: Request) -> bool:
    """Whether the request says something here that is worth unfolding."""
    return request.framing != PLAIN.framing or bool(request.refiner)


def _side(name: str, value: int | None) -> gr.Number:
    return gr.Number(
        value, label=word(name), info=word(f"{name}_hint"), step=8, elem_id=name, min_width=60
    )


def _slider(name: str, value: float, most: float, step: float) -> gr.Slider:
    return gr.Slider(
        0, most, value, step=step, label=word(name), info=word(f"{name}_hint"), elem_id=name
    )
