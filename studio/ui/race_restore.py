"""A race's recipe out of its PNG, back into the controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from studio.contract import Engine, Guidance
from studio.errors import BadRequest
from studio.imaging.pictures import open_picture
from studio.racing import RaceRequest
from studio.store.files import RACE, read_recipe
from studio.ui import form, race_form, stream, words
from studio.ui.words import word

FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}


def place() -> gr.File:
    """Where the PNG is put; a drop on the lanes ends here too."""
    with gr.Accordion(word("race_restore"), open=False, elem_id="race_restore_more"):
        return gr.File(
            label=word("race_restore_hint"), type="filepath", elem_id="race_restore", height=44
        )


def wire(
    engine: Engine, fields: race_form.Form, told: tuple[gr.HTML, gr.HTML, gr.HTML], upload: gr.File
) -> None:
    """`told` are the model's note, the examples and the message."""
    note, chips, message = told

    def restore(held: dict | None) -> dict:
        if held is None:
            return {upload: gr.skip()}
        path = held["path"]
        try:
            open_picture(path)
            text = read_recipe(path, RACE)
            if text is None:
                return {message: words.message("race_restored_none", "error"), upload: None}
            values, said = filled(engine, RaceRequest.from_json(text))
            info = next(i for i in engine.catalog() if i.id == values["model"])
            examples = {"kind": "chips", "examples": list(info.examples[:6])}
            return {
                **{getattr(fields, name): value for name, value in values.items()},
                message: said, note: form.about(info), chips: examples, upload: None,
            }  # fmt: skip
        except Exception as error:
            return {message: stream.problem(error), upload: None}
        finally:
            Path(path).unlink(missing_ok=True)

    outputs = [*fields.inputs(), *told, upload]
    upload.upload(restore, upload, outputs, preprocess=False, **FREE)


def filled(engine: Engine, request: RaceRequest) -> tuple[dict[str, Any], dict]:
    """The controls' values by name, and what is said of them. Raises BadRequest, in words."""
    infos = {info.id: info for info in engine.catalog()}
    base = request.base
    if base.model not in infos:
        raise BadRequest(
            f"There is no checkpoint “{base.model[:60]}” here; choose one from the list."
        )
    scale = base.guidance.scale if base.guidance.kind == "cfg" else 1.0
    start = race_form.start(engine, infos[base.model])
    editor = race_form.editor_value(engine.choices(), start)
    lanes = [race_form.written(lane, scale) for lane in request.lanes]
    editor |= {"mode": request.mode, "nfe": request.nfe, "lanes": lanes}
    values = {
        "prompt": base.prompt,
        "model": base.model,
        "scale": scale,
        "seed": str(base.seed),
        "editor": editor,
        "negative": base.negative_prompt,
        "reference": request.reference,
    }
    side = infos[base.model].size
    same = _told(race_form.read(list(values.values())), side) == _told(request, side)
    key = "race_restored" if same else "race_restored_part"
    return values, words.message(
        key, n=len(request.lanes), prompt=base.prompt[:60], seed=str(base.seed)
    )


def _told(request: RaceRequest, side: int) -> tuple:
    """All that makes the pictures: what lanes share, and each lane's own run.

    `side` is the checkpoint's own size, which need not be said; steps follow from evaluations.
    """
    runs = []
    for lane in range(len(request.lanes)):
        run = request.run(lane)
        size = {name: getattr(run, name) or side for name in ("width", "height")}
        none = run.guidance.kind == "none" or run.guidance == Guidance(scale=1.0)
        guidance = Guidance(scale=1.0) if none else run.guidance
        steps = 1 if request.mode == "nfe" else run.steps
        runs.append(run.with_(**size, guidance=guidance, steps=steps))
    return request.mode, request.nfe if request.mode == "nfe" else 0, request.reference, runs
