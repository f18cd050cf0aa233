"""The controls of the Noise tab: their layout, and reading them into what the lab is asked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from studio.contract import Engine
from studio.noising import Noising, Schedule
from studio.ui import help
from studio.ui.form import number, whole
from studio.ui.words import word

NONE = "none"
SIDE = 128  # pixels of the noised picture in pixel space


@dataclass(frozen=True, slots=True)
class Form:
    """The components whose values make a Noising and a second schedule, as they are read."""

    schedule: gr.Radio
    against: gr.Radio
    space: gr.Radio
    model: gr.Radio
    T: gr.Number
    scaled: gr.Checkbox
    zero_snr: gr.Checkbox
    shift: gr.Slider
    seed: gr.Textbox

    def inputs(self) -> list:
        """The components in reading order."""
        return [getattr(self, f.name) for f in fields(self)]


def controls(engine: Engine) -> Form:
    """The column below the picture, filled with sensible values."""
    names = engine.lab.schedules()
    schedules = [(word(f"noise_schedule_{name}"), name) for name in names]
    schedule = gr.Radio(
        schedules, value="cosine", label=word("noise_schedule"),
        info=word("noise_schedule_hint"), elem_id="noise_schedule",
    )  # fmt: skip
    against = gr.Radio(
        [(word("noise_against_none"), NONE), *schedules], value="linear",
        label=word("noise_against"), info=word("noise_against_hint"), elem_id="noise_against",
    )  # fmt: skip
    help.fold("help_forward", "the_forward_process")
    help.fold("help_schedule", "schedules")
    with gr.Column(elem_classes="noise-later"):
        space = gr.Radio(
            [(word("noise_space_pixel"), "pixel"), (word("noise_space_latent"), "latent")],
            value="pixel", label=word("noise_space"), info=word("noise_space_hint"),
            elem_id="noise_space",
        )  # fmt: skip
        infos = sorted(engine.catalog(), key=lambda info: info.family == "exact")
        model = gr.Radio(
            [(info.title, info.id) for info in infos], value=infos[0].id if infos else None,
            label=word("noise_model"), info=word("noise_model_hint"), elem_id="noise_model",
        )  # fmt: skip
    with gr.Accordion(word("noise_more"), open=False, elem_id="noise_more"):
        with gr.Row(elem_classes="pair"):
            steps = gr.Number(
                1000, label=word("noise_T"), info=word("noise_T_hint"), precision=0,
                elem_id="noise_T", min_width=60,
            )  # fmt: skip
            seed = gr.Textbox(
                "0", label=word("seed"), info=word("noise_seed_hint"), max_lines=1,
                elem_id="noise_seed", min_width=60,
            )  # fmt: skip
        scaled = _tick("noise_scaled", True)
        zero_snr = _tick("noise_zero_snr", False)
        shift = gr.Slider(
            0.5, 8, 1.0, step=0.5, label=word("noise_shift"), info=word("noise_shift_hint"),
            elem_id="noise_shift",
        )  # fmt: skip
    return Form(schedule, against, space, model, steps, scaled, zero_snr, shift, seed)


def read(values: tuple) -> tuple[Noising, Schedule | None]:
    """What the controls say. Raises BadRequest with a sentence."""
    v: dict[str, Any] = dict(zip((f.name for f in fields(Form)), values, strict=True))
    shared = {
        "T": whole("number of training steps T", v["T"]),
        "scaled": bool(v["scaled"]),
        "zero_snr": bool(v["zero_snr"]),
        "shift": number("flow shift", v["shift"]),
    }
    against = str(v["against"] or NONE)
    second = None if against == NONE else Schedule(against, **shared)
    noising = Noising(
        Schedule(str(v["schedule"] or ""), **shared),
        space=str(v["space"] or ""),
        model=str(v["model"] or ""),
        seed=whole("seed", v["seed"]),
        side=SIDE,
    )
    return noising, second


def _tick(name: str, value: bool) -> gr.Checkbox:
    return gr.Checkbox(value, label=word(name), info=word(f"{name}_hint"), elem_id=name)
