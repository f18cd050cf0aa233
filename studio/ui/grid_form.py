"""The controls of the X/Y grid: their layout, reading them into a Grid, filling them from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import gradio as gr

from studio.axes import FIELDS, Names, parse
from studio.contract import CheckpointInfo, Engine, Request
from studio.gridding import Grid
from studio.ui.form import number, start, usual_first, whole
from studio.ui.player import mount
from studio.ui.words import word

NONE = "none"
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "black", "white", "pink", "brown")
FIRST = {"x": ("guidance", "1, 3, 5, 8"), "y": ("seed", "1-3")}
SUGGESTED = {
    "prompt": "{prompt}|green pear|blue heart",
    "negative": "|{prompt}",
    "guidance": "1, 3, 5, 8",
    "rescale": "0, 0.5, 1",
    "interval": "0-1, 0.2-0.8, 0.4-1",
    "steps": "5, 10, 20, 40",
    "eta": "0, 0.5, 1",
    "label": "0-3",
    "strength": "0.3, 0.6, 0.9",
    "control": "0, 0.5, 1",
    "handover": "0.6, 0.8, 0.95",
    "seed": "1-4",
}


@dataclass(frozen=True, slots=True)
class Form:
    """The components whose values make a Grid, in the order they are read."""

    prompt: gr.Textbox
    x: gr.Radio
    x_values: gr.Textbox
    y: gr.Radio
    y_values: gr.Textbox
    model: gr.Radio
    steps: gr.Number
    scale: gr.Number
    seed: gr.Textbox
    negative: gr.Textbox
    sampler: gr.Radio
    spacing: gr.Radio
    base: gr.State  # JSON of a Request: what no control of this form says

    def inputs(self) -> list:
        """The components in reading order."""
        return [getattr(self, f.name) for f in fields(self)]


def controls(engine: Engine) -> tuple[Form, dict[str, gr.HTML]]:
    """The column, filled for the default model; and the names to choose from, by axis.

    It is laid out in two parts around the buttons; `rest` lays out what lies below them.
    """
    info = _info(engine, engine.default_model())
    request = replace(start(info), count=1)
    names: dict[str, gr.HTML] = {}
    prompt = gr.Textbox(
        request.prompt, label=word("prompt"), info=word("grid_prompt_hint"), lines=1, max_lines=4,
        elem_id="grid_prompt",
    )  # fmt: skip
    axes = {}
    for axis, (field, typed) in FIRST.items():
        with gr.Column(elem_classes="grid-axis"):
            axes[axis] = gr.Radio(
                fields_for(axis, request, info, (field,)), value=field,
                label=word(f"grid_{axis}"), info=word(f"grid_{axis}_hint"), elem_id=f"grid_{axis}",
            )  # fmt: skip
            axes[f"{axis}_values"] = gr.Textbox(
                typed, label=word("grid_values"), max_lines=2, lines=1,
                elem_id=f"grid_{axis}_values",
            )  # fmt: skip
            names[axis] = html(f"grid_{axis}_names", "grid_names", offer(engine, axis, field))
    form = Form(prompt, **axes, **_rest(engine, request, info), base=gr.State(request.to_json()))
    return form, names


def _rest(engine: Engine, request: Request, info: CheckpointInfo) -> dict[str, Any]:
    """The request's own controls, which an axis overrules."""
    choices = engine.choices()
    made: dict[str, Any] = {}
    with gr.Column(elem_classes="grid-rest"):
        made["model"] = gr.Radio(
            [(i.title, i.id) for i in engine.catalog()], value=info.id, label=word("model"),
            info=word("grid_model_hint"), elem_id="grid_model",
        )  # fmt: skip
        with gr.Row(elem_classes="numbers"):
            for name, value in (("steps", request.steps), ("scale", request.guidance.scale)):
                made[name] = gr.Number(
                    value, label=word(name), info=word(f"{name}_hint"), elem_id=f"grid_{name}",
                    min_width=60,
                )  # fmt: skip
            made["seed"] = gr.Textbox(
                str(request.seed), label=word("seed"), info=word("seed_hint"), max_lines=1,
                elem_id="grid_seed", min_width=60,
            )  # fmt: skip
        with gr.Accordion(word("grid_more"), open=False, elem_id="grid_more"):
            made["negative"] = gr.Textbox(
                request.negative_prompt, label=word("negative"), lines=1, max_lines=3,
                elem_id="grid_negative",
            )  # fmt: skip
            for name, offered, value in (
                ("sampler", usual_first(choices.samplers), request.sampler),
                ("spacing", choices.spacings, request.spacing),
            ):
                made[name] = gr.Radio(
                    [(choice.label, choice.id) for choice in offered], value=value,
                    label=word(name), elem_id=f"grid_{name}",
                )  # fmt: skip
    return made


def fields_for(
    axis: str, request: Request, info: CheckpointInfo, chosen: tuple[str, ...]
) -> list[tuple]:
    """What an axis may run over: the fields that this request has, and those that are chosen."""
    has = {
        "label": info.conditions == "class",
        "strength": bool(request.image),
        "control": bool(request.controls),
        "handover": bool(request.refiner),
    }
    shown = [name for name in FIELDS if has.get(name, True) or name in chosen]
    return [(word(f"grid_field_{name}"), name) for name in [*shown, *([NONE] * (axis == "y"))]]


def read(values: tuple, names: Names) -> Grid:
    """What the controls say. Raises BadRequest with a sentence."""
    v: dict[str, Any] = dict(zip((f.name for f in fields(Form)), values, strict=True))
    base = Request.from_json(v["base"])
    guidance = replace(base.guidance, scale=number("guidance scale", v["scale"]))
    resized = {} if base.model == v["model"] else {"width": 0, "height": 0, "label": None}
    request = base.with_(
        **resized,
        model=str(v["model"] or ""),
        prompt=(v["prompt"] or "").strip(),
        negative_prompt=(v["negative"] or "").strip(),
        seed=whole("seed", v["seed"]),
        steps=whole("number of steps", v["steps"]),
        sampler=str(v["sampler"] or ""),
        spacing=str(v["spacing"] or ""),
        guidance=guidance,
        count=1,
    )
    x = parse(str(v["x"] or ""), v["x_values"] or "", names)
    y = None
    if (v["y"] or NONE) != NONE:
        y = parse(str(v["y"]), v["y_values"] or "", names)
    return Grid(request, x, y)


def fill(form: Form, engine: Engine, grid: Grid) -> dict:
    """The updates that make the controls say this grid."""
    said = requested(form, grid.request)
    info, taken = _info(engine, grid.request.model), tuple(axis.field for axis in grid.axes)
    for axis, chosen in (("x", grid.x), ("y", grid.y)):
        offered = fields_for(axis, grid.request, info, taken)
        said[getattr(form, axis)] = gr.update(
            choices=offered, value=chosen.field if chosen else NONE
        )
        said[getattr(form, f"{axis}_values")] = typed(chosen.field, chosen.values) if chosen else ""
    return said


def suggested(engine: Engine, model: str) -> Request:
    """What a checkpoint suggests."""
    return start(_info(engine, model))


def offers(form: Form, engine: Engine, request: Request, x: str, y: str) -> dict:
    """The fields that the axes may run over with this request; those that are chosen stay."""
    info = _info(engine, request.model)
    return {
        getattr(form, axis): gr.update(choices=fields_for(axis, request, info, (x, y)))
        for axis in ("x", "y")
    }


def requested(form: Form, request: Request) -> dict:
    """The updates that make the controls say this request, whatever the axes are."""
    return {
        form.prompt: request.prompt,
        form.model: request.model,
        form.steps: request.steps,
        form.scale: request.guidance.scale,
        form.seed: str(request.seed),
        form.negative: request.negative_prompt,
        form.sampler: request.sampler,
        form.spacing: request.spacing,
        form.base: request.with_(count=1).to_json(),
    }


def typed(field: str, values: tuple[str, ...]) -> str:
    """The values as somebody would type them."""
    return ("|" if field in ("prompt", "words", "negative") else ", ").join(values)


def suggestion(engine: Engine, field: str, prompt: str, model: str) -> str:
    """Values that make a good grid at once, for an axis that was just chosen."""
    if field == "words":
        words = prompt.split()
        found = next((word for word in words if word.lower() in COLOURS), words[:1] and words[0])
        return "|".join(dict.fromkeys([found or "red", *COLOURS[:3]]))
    if field == "size":
        side = _info(engine, model).size
        return f"{side}, {side * 3 // 16 * 8}×{side}"
    known = [id for id, _ in engine.grids.names().get(field, ())]
    if field == "sampler":
        wanted = [id for id in ("ddim", "heun", "dpmpp_2m", "euler_ancestral") if id in known]
        return ", ".join(wanted or known[:4])
    return ", ".join(known[:4]) or SUGGESTED.get(field, "").format(prompt=prompt or "red apple")


def offer(engine: Engine, axis: str, field: str) -> dict:
    """The names that an axis may be made of, to be clicked, and an example of its values."""
    if field not in FIELDS:
        return {"axis": axis, "field": NONE, "names": [], "example": ""}
    names = engine.grids.names().get(field, ())
    return {
        "axis": axis,
        "field": field,
        "names": [list(pair) for pair in names],
        "example": FIELDS[field].example,
    }


def html(id: str, kind: str, value: Mapping) -> gr.HTML:
    """A part that the page's script draws."""
    return gr.HTML(
        dict(value), html_template=f"<div class='{kind}'></div>", js_on_load=mount(kind),
        apply_default_css=False, elem_id=id,
    )  # fmt: skip


def _info(engine: Engine, model: str) -> CheckpointInfo:
    infos = engine.catalog()
    return next((info for info in infos if info.id == model), infos[0])
