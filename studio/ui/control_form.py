"""The Control tab's controls: their layout, and reading them into a Request that follows pictures.

The sheets, on which pictures lie and are drawn, are a part of the page's own script; what it says
is believed no more than a field is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from studio.contract import CheckpointInfo, Engine, Guidance, Request
from studio.controls import MAX_CONTROLS, Control, ControlInfo
from studio.errors import BadRequest
from studio.ui import form
from studio.ui.words import word

PROMPT = "house"
USUAL = ("icons-control-scribble", "scribble")  # the control that a hand's drawing suits


@dataclass(frozen=True, slots=True)
class Form:
    """The components whose values make a Request, in the order they are read."""

    prompt: gr.Textbox
    model: gr.Radio
    sampler: gr.Radio
    steps: gr.Number
    scale: gr.Number
    seed: gr.Textbox
    sheets: gr.HTML

    def inputs(self) -> list:
        """The components in reading order."""
        return [getattr(self, f.name) for f in fields(self)]


def read(values: Sequence[Any], defaults: Request) -> Request:
    """What the fields say, over the checkpoint's own suggestion. Raises BadRequest."""
    v = dict(zip((f.name for f in fields(Form)), values, strict=True))
    scale = form.number("guidance scale", v["scale"])
    return defaults.with_(
        model=str(v["model"] or ""),
        prompt=(v["prompt"] or "").strip(),
        seed=form.whole("seed", v["seed"]),
        sampler=str(v["sampler"] or ""),
        steps=form.whole("number of steps", v["steps"]),
        count=1,
        guidance=Guidance(scale=scale),
        controls=read_sheets(v["sheets"]),
    )


def read_sheets(value: Any) -> tuple[Control, ...]:
    """The controls that the sheets say. Raises BadRequest for what they would not make."""
    sheets = value.get("controls") if isinstance(value, dict) else None
    if not isinstance(sheets, list) or not sheets:
        raise BadRequest("There is nothing to follow yet; draw on the sheet or upload a picture.")
    return tuple(read_control(said) for said in sheets[: MAX_CONTROLS + 1])


def read_control(said: Any) -> Control:
    """One control; raises BadRequest."""
    if not isinstance(said, dict):
        raise BadRequest("A control has fields that this studio does not know, or lacks some.")
    settings = said.get("settings")
    return Control(
        model=str(said.get("model") or ""),
        image=str(said.get("image") or ""),
        preprocess=str(said.get("preprocess") or "none"),
        settings=tuple(settings.items()) if isinstance(settings, dict) else (),
        scale=form.number("control's scale", said.get("scale")),
        start=form.number("control's start", said.get("start")),
        end=form.number("control's end", said.get("end")),
        guess=said.get("guess") is True,
    )


def start(engine: Engine) -> dict[str, Any]:
    """The sheets' first value: what there is to choose from, and one empty sheet."""
    infos = engine.steering.controls()
    return {
        "kinds": [described(info) for info in infos],
        "preprocessors": [
            {
                "id": p.id,
                "title": p.title,
                "settings": [_slider(s) for s in p.settings],
                "missing": p.missing,
            }
            for p in engine.steering.preprocessors()
        ],
        "usual": usual(infos),
        "most": MAX_CONTROLS,
        "controls": [],
    }


def described(info: ControlInfo) -> dict[str, Any]:
    """A control as the sheets' script wants it."""
    return {
        "id": info.id,
        "title": info.title,
        "preprocessor": info.preprocessor,
        "settings": dict(info.settings),
        "scale": info.scale,
        "guidance": info.guidance,
        "base": info.base,
        "whole": info.whole,
    }


def controls(engine: Engine, info: CheckpointInfo, sheets: gr.HTML, prompt: gr.Textbox) -> tuple:
    """Lay the fields out below the sheets: the form, the model's note and the dice."""
    defaults = form.start(info)
    infos = engine.steering.controls()
    advised = next((i.guidance for i in infos if i.id == usual(infos) and i.base == info.id), None)
    titles = [(i.title, i.id) for i in engine.catalog() if i.conditions == "text" and i.trained]
    model = gr.Radio(
        titles or [(info.title, info.id)], value=info.id, label=word("model"),
        elem_id="control_model",
    )  # fmt: skip
    with gr.Row(elem_classes="numbers"):
        scale = gr.Number(
            advised or defaults.guidance.scale, label=word("scale"), minimum=0, maximum=50,
            step=0.5, elem_id="control_guidance",
        )  # fmt: skip
        steps = gr.Number(
            defaults.steps, label=word("steps"), minimum=1, maximum=1000, step=1, precision=0,
            elem_id="control_steps",
        )  # fmt: skip
        with gr.Row(elem_classes="seed-row"):
            seed = gr.Textbox(
                str(defaults.seed), label=word("seed"), max_lines=1, elem_id="control_seed",
                min_width=60,
            )  # fmt: skip
            dice = gr.Button("⚄", elem_id="control_dice", size="sm", min_width=30, scale=0)
    named = form.usual_first(engine.choices().samplers)
    sampler = gr.Radio(
        [(s.label, s.id) for s in named if s.id in SAMPLERS] or [(named[0].label, named[0].id)],
        value=defaults.sampler if defaults.sampler in SAMPLERS else named[0].id,
        label=word("sampler"), elem_id="control_sampler",
    )  # fmt: skip
    return Form(prompt, model, sampler, steps, scale, seed, sheets), dice


SAMPLERS = ("ddim", "dpmpp_2m", "heun", "unipc", "euler_ancestral")  # the others are in Generate


def _slider(s: Any) -> dict[str, Any]:
    return {"name": s.name, "value": s.default, "least": s.least, "most": s.most, "step": s.step}


def usual(infos: tuple[ControlInfo, ...]) -> str:
    """The control that a new sheet is for: one for scribbles, else one that follows lines."""
    first = min(infos, key=lambda info: info.whole).id if infos else ""
    return next((i.id for name in USUAL for i in infos if name in i.id), first)
