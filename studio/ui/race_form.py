"""The lanes' controls: their layout, reading them into a RaceRequest, and ready-made sets of lanes.

The editor is a part of the page's own script; its value is the lanes as plain dicts, and it is
believed no more than a field is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from studio.contract import CheckpointInfo, Choices, Engine, Guidance, Request
from studio.errors import BadRequest
from studio.racing import MODES, Lane, RaceRequest
from studio.ui import form
from studio.ui.player import mount
from studio.ui.words import word

LANES_MOST = 12
USUAL_NFE = 20
USUAL_REFERENCE = 200


@dataclass(frozen=True, slots=True)
class Form:
    """The components whose values make a RaceRequest, in the order they are read."""

    prompt: gr.Textbox
    model: gr.Radio
    scale: gr.Number
    seed: gr.Textbox
    editor: gr.HTML
    negative: gr.Textbox
    reference: gr.Number

    def inputs(self) -> list:
        """The components in reading order."""
        return [getattr(self, f.name) for f in fields(self)]


def read(values: Sequence[Any]) -> RaceRequest:
    """What the controls say. Raises BadRequest or OverBudget with a sentence."""
    v = dict(zip((f.name for f in fields(Form)), values, strict=True))
    scale = form.number("guidance scale", v["scale"])
    base = Request(
        model=str(v["model"] or ""),
        prompt=(v["prompt"] or "").strip(),
        negative_prompt=(v["negative"] or "").strip(),
        seed=form.whole("seed", v["seed"]),
        guidance=Guidance(scale=scale),
    )
    mode, nfe, lanes = read_editor(v["editor"], scale)
    return RaceRequest(
        base, lanes, mode, nfe,
        reference=form.whole("reference's evaluations", v["reference"]),
    )  # fmt: skip


def read_editor(value: Any, scale: float) -> tuple[Any, int, tuple[Lane, ...]]:
    """The editor's mode, evaluations and lanes; `scale` guides lanes that have none of their own.

    Raises BadRequest for anything that the editor itself would not make.
    """
    if not isinstance(value, dict) or not isinstance(value.get("lanes"), list):
        raise BadRequest("The lanes and the ladder of a race are lists.")
    mode = value.get("mode")
    if mode not in MODES:
        raise BadRequest("A race is fair by nfe or by steps.")
    nfe = form.whole("number of evaluations", value.get("nfe")) if mode == "nfe" else USUAL_NFE
    lanes = value["lanes"][: LANES_MOST + 1]  # one too many is told of, a million are not read
    return mode, nfe, tuple(_lane(lane, scale, mode) for lane in lanes)


def _lane(said: Any, scale: float, mode: str) -> Lane:
    if not isinstance(said, dict):
        raise BadRequest("The lanes and the ladder of a race are lists.")
    own = said.get("scale")
    guidance = scale if own is None else form.number("guidance scale", own)
    steps = form.whole("number of steps", said.get("steps")) if mode == "steps" else USUAL_NFE
    return Lane(
        sampler=str(said.get("sampler") or ""),
        steps=steps,
        spacing=str(said.get("spacing") or ""),
        eta=form.number("η (eta)", said.get("eta", 0.0)),
        guidance=Guidance(scale=guidance),
    )


def written(lane: Lane, scale: float) -> dict[str, Any]:
    """A lane as the editor has it: its guidance is named where it is not the shared one."""
    own = lane.guidance.scale if lane.guidance.kind == "cfg" else 1.0
    return {
        "sampler": lane.sampler,
        "steps": lane.steps,
        "spacing": lane.spacing,
        "eta": lane.eta,
        "scale": None if own == scale else own,
    }


def presets(choices: Choices, differ: list[dict]) -> dict[str, list[dict]]:
    """Name → lanes, of the samplers and spacings that there are; `differ` are the usual ones."""
    samplers, spacings = ({c.id for c in of} for of in (choices.samplers, choices.spacings))
    made = {
        name: [
            {"sampler": sampler, "steps": USUAL_NFE, "spacing": spacing, "eta": eta, "scale": None}
            for sampler, spacing, eta in lanes
            if sampler in samplers and spacing in spacings
        ]
        for name, lanes in PRESETS.items()
    }
    return {"differ": differ, **{name: lanes for name, lanes in made.items() if len(lanes) > 1}}


def controls(
    engine: Engine, start: RaceRequest, prompt: gr.Textbox, asks: list[Callable]
) -> tuple[Form, gr.HTML, gr.Button]:
    """Everything below the buttons; also the model's note and the dice.

    `asks` are what the editor may ask the server.
    """
    infos = engine.catalog()
    info = next((i for i in infos if i.id == start.base.model), infos[0])
    scale = start.base.guidance.scale
    editor = gr.HTML(
        editor_value(engine.choices(), start),
        html_template="<div class='race_editor'></div>", js_on_load=mount("race_editor"),
        server_functions=asks, apply_default_css=False, elem_id="race_editor",
    )  # fmt: skip
    model = gr.Radio(
        [(i.title, i.id) for i in infos], value=info.id, label=word("model"),
        info=word("race_model_hint"), elem_id="race_model",
    )  # fmt: skip
    note = gr.HTML(
        form.about(info), html_template="<p class='note'></p>", js_on_load=mount("note"),
        apply_default_css=False, elem_id="race_model_note",
    )  # fmt: skip
    with gr.Row(elem_classes="numbers"):
        with gr.Row(elem_classes="seed-row"):
            seed = gr.Textbox(
                str(start.base.seed), label=word("seed"), info=word("race_seed_hint"),
                max_lines=1, elem_id="race_seed", min_width=60,
            )  # fmt: skip
            dice = gr.Button("⚄", elem_id="race_dice", size="sm", min_width=30, scale=0)
        guidance = gr.Number(
            scale, label=word("scale"), info=word("race_scale_hint"), step=0.5,
            elem_id="race_scale", min_width=60,
        )  # fmt: skip
    with gr.Accordion(word("race_more"), open=False, elem_id="race_more"):
        negative = gr.Textbox(
            start.base.negative_prompt, label=word("negative"), info=word("negative_hint"),
            lines=1, max_lines=4, elem_id="race_negative",
        )  # fmt: skip
        reference = gr.Number(
            start.reference, label=word("race_reference"), info=word("race_reference_hint"),
            precision=0, elem_id="race_reference", min_width=60,
        )  # fmt: skip
    return Form(prompt, model, guidance, seed, editor, negative, reference), note, dice


def editor_value(choices: Choices, start: RaceRequest) -> dict[str, Any]:
    """What the editor begins with: lanes, all that it can offer, and the ready-made sets."""
    lanes = [written(lane, start.base.guidance.scale) for lane in start.lanes]
    return {
        "mode": start.mode,
        "nfe": start.nfe,
        "lanes": lanes,
        "most": LANES_MOST,
        "presets": presets(choices, lanes),
        "samplers": [
            {"id": s.id, "label": s.label, "hint": s.hint, "evaluations": s.evaluations,
             "noisy": s.stochastic, "eta": s.uses_eta}
            for s in form.usual_first(choices.samplers)
        ],
        "spacings": [{"id": s.id, "label": s.label, "hint": s.hint} for s in choices.spacings],
    }  # fmt: skip


def start(engine: Engine, info: CheckpointInfo) -> RaceRequest:
    """The race that the form shows for a checkpoint at first."""
    return engine.races.default(form.start(info))


_T = "trailing"
# Name in the catalogue (race_preset_…) → sampler, spacing, η of each lane.
PRESETS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "orders": (
        ("ddim", _T, 0.0), ("heun", _T, 0.0), ("dpm2", _T, 0.0), ("dpmpp_2m", _T, 0.0),
        ("deis", _T, 0.0), ("lms", _T, 0.0),
    ),
    "noise": (
        ("ddim", _T, 0.0), ("ddim", _T, 0.5), ("ddim", _T, 1.0), ("dpmpp_2m", _T, 0.0),
        ("dpmpp_2m_sde", _T, 0.0), ("edm", _T, 0.0),
    ),
    "spacings": tuple(
        ("dpmpp_2m", spacing, 0.0)
        for spacing in ("trailing", "leading", "linspace", "karras", "exponential", "beta")
    ),
}  # fmt: skip
