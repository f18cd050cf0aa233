"""The controls of a request: their layout, reading them into a Request, filling them from one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from studio.contract import CheckpointInfo, Choice, Choices, Engine, Guidance, Request, View
from studio.errors import BadRequest
from studio.ui import help, start_form
from studio.ui.player import mount
from studio.ui.words import word

# The samplers that people know best come first; the others are folded behind "More samplers".
USUAL = ("ddim", "euler_ancestral", "heun", "dpmpp_2m", "ddpm", "unipc")  # form.css knows how many
PREVIEWS = ("auto", "tiny", "rgb", "off")


@dataclass(frozen=True, slots=True)
class Form:
    """The components whose values make a Request and a View, in the order they are read."""

    prompt: gr.Textbox
    label: gr.Dropdown
    negative: gr.Textbox
    model: gr.Radio
    sampler: gr.Radio
    eta: gr.Slider
    spacing: gr.Radio
    steps: gr.Number
    scale: gr.Number
    rescale: gr.Slider
    low: gr.Slider
    high: gr.Slider
    count: gr.Number
    seed: gr.Textbox
    width: gr.Number
    height: gr.Number
    preview: gr.Radio
    anatomy: gr.Checkbox
    start: gr.HTML

    def inputs(self) -> list:
        """The components in reading order."""
        return [getattr(self, f.name) for f in fields(self)]


def read(values: tuple) -> tuple[Request, View]:
    """What the controls say. Raises BadRequest with a sentence; garbage never gets further."""
    v = dict(zip((f.name for f in fields(Form)), values, strict=True))
    scale = number("guidance scale", v["scale"])
    request = Request(
        model=str(v["model"] or ""),
        prompt=(v["prompt"] or "").strip(),
        negative_prompt=(v["negative"] or "").strip(),
        label=None if v["label"] in (None, "", []) else whole("class", v["label"]),
        seed=whole("seed", v["seed"]),
        width=whole("width", v["width"] or 0),
        height=whole("height", v["height"] or 0),
        count=whole("number of pictures", v["count"]),
        sampler=str(v["sampler"] or ""),
        eta=number("η (eta)", v["eta"]),
        spacing=str(v["spacing"] or ""),
        steps=whole("number of steps", v["steps"]),
        guidance=Guidance(
            scale=scale,
            rescale=number("guidance rescale", v["rescale"]),
            interval=(
                number("guidance interval", v["low"]),
                number("guidance interval", v["high"]),
            ),
        ),
        **start_form.read(v["start"]),
    )
    return request, View(preview=v["preview"] or "auto", anatomy=bool(v["anatomy"]))


def whole(name: str, value: Any) -> int:
    """A whole number out of a field: 20, 20.0, "20" or " 20 "."""
    text = "" if value is None else str(value).strip()
    if not text:
        raise BadRequest(f"The {name} is empty; give a whole number.")
    if text.endswith(".0"):
        text = text[:-2]
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 25):
        raise BadRequest(f"The {name} must be a whole number, not “{text[:40]}”.")
    return int(text)


def number(name: str, value: Any) -> float:
    """A number out of a field."""
    if value is None:
        raise BadRequest(f"The {name} is empty; give a number.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"The {name} must be a number, not “{str(value)[:40]}”.")
    return float(value)


def fill(request: Request, info: CheckpointInfo) -> dict[str, Any]:
    """Field name → value that makes the controls say this request."""
    g = request.guidance
    return {
        "prompt": request.prompt,
        "label": request.label,
        "negative": request.negative_prompt,
        "model": request.model,
        "sampler": request.sampler,
        "eta": request.eta,
        "spacing": request.spacing,
        "steps": request.steps,
        "scale": 1.0 if g.kind == "none" else g.scale,
        "rescale": g.rescale,
        "low": g.interval[0],
        "high": g.interval[1],
        "count": request.count,
        "seed": str(request.seed),
        "width": request.width or info.size,
        "height": request.height or info.size,
        "start": start_form.fill(request, info),
    }


def classes(info: CheckpointInfo, value: int | None = None) -> dict[str, Any]:
    """The list of a checkpoint's classes, to be typed into; hidden where it knows none."""
    listed = [(name, k) for k, name in enumerate(info.classes) if name]
    return {"choices": listed, "value": value, "visible": info.conditions == "class"}


def another_seed() -> str:
    """A seed from the dice; ten digits are easy to copy."""
    return str(secrets.randbelow(2**31))


def start(info: CheckpointInfo) -> Request:
    """The request that the form shows for a checkpoint at first."""
    return info.defaults or Request(model=info.id)


def prompt_box(value: str) -> gr.Textbox:
    """What to draw."""
    return gr.Textbox(
        value=value,
        label=word("prompt"),
        info=word("prompt_hint"),
        placeholder=word("prompt_placeholder"),
        lines=2,
        max_lines=6,
        elem_id="prompt",
    )


def controls(engine: Engine, prompt: gr.Textbox, dice: list) -> tuple[Form, dict[str, Any]]:
    """Everything below the prompt, filled for the default model; and the notes beside it.

    `dice` receives the dice button, which the tab wires. With the notes comes the fold "start".
    """
    infos, choices = engine.catalog(), engine.choices()
    info = next((i for i in infos if i.id == engine.default_model()), infos[0])
    v = fill(start(info), info)
    model = gr.Radio(
        [(i.title, i.id) for i in infos], value=info.id, label=word("model"),
        info=word("model_hint"), elem_id="model",
    )  # fmt: skip
    notes: dict[str, Any] = {"model": _note("model_note", about(info))}
    label = gr.Dropdown(
        **classes(info, v["label"]),
        label=word("class_label"),
        info=word("class_hint"),
        elem_id="label",
    )
    sampler = _radio("sampler", usual_first(choices.samplers), v["sampler"])
    notes["sampler"] = _note("sampler_note", method(choices, v["sampler"]))
    help.fold("help_sampler", sampler)
    with gr.Row(elem_classes="numbers"):
        steps = _count("steps", v["steps"])
        scale = _count("scale", v["scale"], step=0.5)
        count = _count("count", v["count"])
        with gr.Row(elem_classes="seed-row"):
            seed = gr.Textbox(
                v["seed"], label=word("seed"), info=word("seed_hint"), max_lines=1,
                elem_id="seed", min_width=60,
            )  # fmt: skip
            dice.append(gr.Button("⚄", elem_id="dice", size="sm", min_width=30, scale=0))
    with gr.Accordion(word("guidance_more"), open=False, elem_id="guidance_more"):
        negative = gr.Textbox(
            v["negative"], label=word("negative"), info=word("negative_hint"), lines=1,
            max_lines=4, elem_id="negative",
        )  # fmt: skip
        rescale = _slider("rescale", v["rescale"])
        low = _slider("interval_low", v["low"], hint="interval_hint")
        high = _slider("interval_high", v["high"], hint="interval_high_hint")
        help.fold("help_guidance", "cfg")
    with gr.Accordion(word("path_more"), open=False, elem_id="path_more"):
        spacing = _radio("spacing", choices.spacings, v["spacing"])
        notes["spacing"] = _note("spacing_note", spaced(choices, v["spacing"]))
        help.fold("help_spacing", "spacings")
        eta = _slider("eta", v["eta"])
        with gr.Row(elem_classes="pair"):
            width = _count("width", v["width"], step=8)
            height = _count("height", v["height"], step=8)
    begun, notes["start"] = start_form.part(engine, v["start"])
    start_form.wire(steps, width, height)
    with gr.Accordion(word("watching"), open=False, elem_id="watching"):
        preview = gr.Radio(
            [(word(f"preview_{p}"), p) for p in PREVIEWS], value="auto", label=word("preview"),
            info=word("preview_hint"), elem_id="preview",
        )  # fmt: skip
        anatomy = gr.Checkbox(
            False, label=word("anatomy"), info=word("anatomy_hint"), elem_id="anatomy"
        )
    form = Form(
        prompt, label, negative, model, sampler, eta, spacing, steps, scale, rescale, low, high,
        count, seed, width, height, preview, anatomy, begun,
    )  # fmt: skip
    return form, notes


def about(info: CheckpointInfo) -> dict:
    """What is known of a checkpoint, for its line; numbers are put into words by the page."""
    return {
        "kind": "model",
        "knows": info.knows,
        "family": info.family,
        "parameters": info.parameters,
        "licence": info.licence,
    }


def usual_first(samplers: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """The samplers with the USUAL ones in front."""
    places = {id: place for place, id in enumerate(USUAL)}
    return tuple(sorted(samplers, key=lambda s: places.get(s.id, len(places))))


def spaced(choices: Choices, spacing: str) -> dict:
    """What a spacing is, for its line."""
    found = next((s for s in choices.spacings if s.id == spacing), None)
    return {"kind": "hint", "hint": found.hint} if found else {"kind": "none"}


def method(choices: Choices, sampler: str) -> dict:
    """What a sampler is, for its line, and whether it is one of those that are folded away."""
    ordered = usual_first(choices.samplers)
    place = next((k for k, s in enumerate(ordered) if s.id == sampler), None)
    if place is None:
        return {"kind": "none"}
    found = ordered[place]
    return {
        "kind": "method",
        "more": max(0, len(ordered) - len(USUAL)),
        "folded": place >= len(USUAL),
        "hint": found.hint,
        "evaluations": found.evaluations,
        "stochastic": found.stochastic,
    }


def _note(name: str, value: dict) -> gr.HTML:
    return gr.HTML(
        value, html_template="<p class='note'></p>", js_on_load=mount("note"),
        apply_default_css=False, elem_id=name,
    )  # fmt: skip


def _radio(name: str, choices: tuple, value: str) -> gr.Radio:
    return gr.Radio(
        [(choice.label, choice.id) for choice in choices], value=value, label=word(name),
        info=word(f"{name}_hint"), elem_id=name,
    )  # fmt: skip


def _count(name: str, value: float, step: float = 1) -> gr.Number:
    return gr.Number(
        value, label=word(name), info=word(f"{name}_hint"), step=step, elem_id=name, min_width=60
    )


def _slider(name: str, value: float, hint: str = "") -> gr.Slider:
    info = word(hint or f"{name}_hint")
    return gr.Slider(0, 1, value, step=0.05, label=word(name), info=info, elem_id=name)
