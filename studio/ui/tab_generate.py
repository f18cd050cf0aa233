"""The Generate tab: a request at left, and at right the run that it makes, watched as it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr

from studio import contract as c
from studio.errors import StudioError
from studio.imaging.pictures import open_picture
from studio.recipe import MAX_PROMPT, Request
from studio.store.files import read_recipe
from studio.ui import (
    adapters_form,
    form,
    framing_form,
    player,
    prompt_tools,
    start_form,
    stream,
    words,
)
from studio.ui.page import Page
from studio.ui.visitors import Visitors
from studio.ui.words import word

CLEAR: dict = {"tone": "", "key": "", "arguments": {}, "text": ""}
PRIVATE = {"show_progress": "hidden", "api_visibility": "private"}
FREE = {**PRIVATE, "concurrency_limit": None}  # the engine's worker is the only lock


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that the tab's events read and write."""

    form: form.Form
    notes: dict
    chips: gr.HTML
    known: gr.HTML
    message: gr.HTML
    stage: gr.HTML
    generate: gr.Button
    stop: gr.Button
    finish: gr.Button
    dice: gr.Button
    restore: gr.File
    wearing: adapters_form.Wearing
    sizes: framing_form.Sizes

    def inputs(self) -> list:
        """Everything that a request is read from."""
        return [*self.form.inputs(), *self.sizes.inputs(), *self.wearing.inputs()]

    def read(self, values: tuple) -> tuple[Request, c.View]:
        """What the controls say. Raises BadRequest with a sentence."""
        own = len(self.form.inputs())
        then = own + len(self.sizes.inputs())
        request, view = form.read(values[:own])
        request = self.sizes.read(request, values[own:then])
        return self.wearing.read(request, view, values[then:])


def tab(page: Page) -> None:
    """Lay the tab out and wire it."""
    engine = page.engine
    with gr.Row(elem_classes="bench", equal_height=False):
        with gr.Column(elem_classes="controls", scale=0, min_width=340):
            prompt = form.prompt_box(form.start(_info(engine, engine.default_model())).prompt)
            tokens = prompt_tools.counter(prompt.value)
            known = _small("known", {"kind": "none"})
            chips = _small("chips", _examples(engine, engine.default_model()))
            with gr.Row(elem_classes="actions"):
                generate = gr.Button(
                    word("generate"), variant="primary", size="lg", elem_id="generate"
                )
                stop = _action("stop")
                finish = _action("finish")
            tools = prompt_tools.Tools(tokens, prompt_tools.chooser(prompt.value))
            dice: list = []
            fields, notes = form.controls(engine, prompt, dice)
            default = form.start(_info(engine, engine.default_model()))
            sizes = framing_form.controls(engine, default)
            wearing = adapters_form.controls(engine, engine.default_model())
            with gr.Accordion(word("restore"), open=False, elem_id="restore_more"):
                restore = gr.File(
                    label=word("restore_hint"), type="filepath", elem_id="restore", height=44
                )
        with gr.Column(elem_classes="view", min_width=320):
            message = _small("message", CLEAR)
            stage = player.stage(page)
    parts = Parts(
        fields, notes, chips, known, message, stage, generate, stop, finish, dice[0], restore,
        wearing, sizes,
    )  # fmt: skip
    _wire(engine, page.visitors, parts)
    prompt_tools.wire(engine, tools, prompt, fields.negative, fields.model)
    page.opens["generate"] = (
        partial(_filled, engine, parts),
        [*parts.inputs(), sizes.fold, message, notes["model"], notes["start"], chips],
    )


def _wire(engine: c.Engine, visitors: Visitors, p: Parts) -> None:
    outputs = [p.stage, p.message, p.stop, p.finish]
    p.generate.click(
        _runner(engine, visitors, p), p.inputs(), outputs, trigger_mode="multiple", **FREE
    )

    def stop_run(request: gr.Request) -> None:
        engine.cancel(visitors.current(request.session_hash))

    def finish_run(request: gr.Request) -> None:
        engine.finish(visitors.current(request.session_hash))

    p.stop.click(stop_run, None, None, **FREE)
    p.finish.click(finish_run, None, None, **FREE)
    p.dice.click(form.another_seed, None, p.form.seed, **FREE)

    def explain(model: str, prompt: str) -> dict:
        return _known(engine, model, prompt)

    p.form.prompt.change(
        explain, [p.form.model, p.form.prompt], p.known, trigger_mode="always_last", **FREE
    )

    def describe(sampler: str) -> tuple:
        choices = engine.choices()
        uses = any(s.id == sampler and s.uses_eta for s in choices.samplers)
        return form.method(choices, sampler), gr.update(interactive=uses)

    p.form.sampler.change(describe, p.form.sampler, [p.notes["sampler"], p.form.eta], **FREE)

    def explain_spacing(spacing: str) -> dict:
        return form.spaced(engine.choices(), spacing)

    p.form.spacing.change(explain_spacing, p.form.spacing, p.notes["spacing"], **FREE)
    _wire_model(engine, p)
    _wire_restore(engine, p)


def _runner(engine: c.Engine, visitors: Visitors, p: Parts):
    def run(request: gr.Request, *values) -> Iterator[dict]:
        """One click on Generate: submit, then a message for the stage with every event."""
        try:
            wanted, view = p.read(values)
            run_id = engine.submit(wanted, view)
        except Exception as error:
            yield {p.message: stream.problem(error)}
            return
        session = request.session_hash
        number, replaced = visitors.begin(session, run_id)
        said = words.message("note_replaced") if replaced else CLEAR
        opening = {
            "kind": "starting", "run": run_id, "number": number, "total": start_form.total(wanted),
            "request": {"prompt": wanted.prompt, "seed": wanted.seed},
        }  # fmt: skip
        going = True
        try:
            yield {p.stage: opening, p.message: said, **_buttons(p, wanted.count)}
            for place, event in enumerate(stream.live(engine.events(run_id))):
                if visitors.current(session) != run_id:  # a newer run of this tab has the stage
                    yield {p.stop: gr.skip()}
                    return
                going = not isinstance(event, c.LAST)
                if isinstance(event, c.Finished):
                    visitors.keep(event)
                if isinstance(event, c.Failed):
                    said = words.from_sentence(event.message)
                shown = stream.to_stage(event, _levels(engine, event))
                updates = {p.stage: {**shown, "number": number}}
                # The page may merge two updates that come close together and keep the last alone,
                # so what the first one said is said again.
                if place < 3 or not going:
                    updates[p.message] = said
                yield updates | _buttons(p, wanted.count if going else 0)
        except Exception as error:
            if visitors.current(session) == run_id:
                yield {p.message: stream.problem(error), **_buttons(p, 0)}
        finally:
            visitors.end(session, run_id)
            if going:  # the tab was closed, its next run came, or its stream broke
                engine.cancel(run_id)

    return run


def _levels(engine: c.Engine, event: c.Event) -> tuple[c.Level, ...]:
    """Every recorded step's level, when the run is over and can be scrubbed."""
    if not isinstance(event, c.Finished | c.Cancelled):
        return ()
    try:
        return engine.levels(event.run)
    except StudioError:  # freed meanwhile: nothing to scrub
        return ()


def _buttons(p: Parts, pictures: int) -> dict:
    """Stop and finish, on only while they can do something; `pictures` 0 when nothing runs."""
    return {
        p.stop: gr.update(interactive=pictures > 0),
        p.finish: gr.update(interactive=pictures > 1),
    }


def _wire_model(engine: c.Engine, p: Parts) -> None:
    def choose(model: str, prompt: str) -> dict:
        """Another model: its own defaults, and the prompt that is there already."""
        info = _info(engine, model)
        values = form.fill(form.start(info), info)
        kept = ("prompt", "seed", "model", "negative", "count", "start")
        updates = {
            getattr(p.form, name): value for name, value in values.items() if name not in kept
        }
        return {
            **updates,
            **p.sizes.fill(engine, form.start(info)),
            **p.wearing.fitting(engine, model),
            p.form.label: gr.update(**form.classes(info)),
            p.notes["model"]: form.about(info),
            p.chips: _examples(engine, model),
            p.known: _known(engine, model, prompt),
        }

    outputs = [*p.inputs(), p.sizes.fold, p.notes["model"], p.chips, p.known]
    p.form.model.input(choose, [p.form.model, p.form.prompt], outputs, **FREE)


def _wire_restore(engine: c.Engine, p: Parts) -> None:
    def restore(upload: dict | None) -> dict:
        """The recipe out of a dropped PNG, into the form; the file is not kept."""
        if upload is None:
            return {p.restore: gr.skip()}
        path = upload["path"]
        try:
            return {**_restored(engine, p, path), p.restore: None}
        except Exception as error:
            return {p.message: stream.problem(error), p.restore: None}
        finally:
            Path(path).unlink(missing_ok=True)

    outputs = [
        *p.inputs(),
        p.sizes.fold,
        p.message,
        p.restore,
        p.notes["model"],
        p.notes["start"],
        p.chips,
    ]
    # Without preprocessing, which would leave an empty file of its own behind for every upload.
    p.restore.upload(restore, p.restore, outputs, preprocess=False, **FREE)


def _restored(engine: c.Engine, p: Parts, path: str) -> dict:
    open_picture(path)
    text = read_recipe(path)
    if text is None:
        return {p.message: words.message("err_no_recipe", "error")}
    return _filled(engine, p, Request.from_json(text))


def _filled(engine: c.Engine, p: Parts, request: Request) -> dict:
    """The updates that make the controls say this request, or a sentence why they cannot."""
    infos = {info.id: info for info in engine.catalog()}
    if request.model not in infos:
        return {p.message: words.message("err_no_model", "error", model=request.model[:60])}
    choices = engine.choices()
    for key, name, offered in (
        ("err_no_sampler", request.sampler, choices.samplers),
        ("err_no_spacing", request.spacing, choices.spacings),
    ):
        if name not in {choice.id for choice in offered}:
            return {p.message: words.message(key, "error", name=name[:40])}
    info = infos[request.model]
    said = {"prompt": request.prompt, "seed": str(request.seed), "steps": request.steps}
    note = words.message("note_restored", **said)
    if request.template:
        note = words.message("note_written", **said, template=request.template)
    if gone := start_form.missing(engine, request):  # the form says all the same what was wanted
        note = words.from_sentence(gone)
    if request.controls:  # nothing in this form says them
        note = words.message("note_controls", **said)
    values = form.fill(request, info)
    return {
        **{getattr(p.form, name): value for name, value in values.items()},
        **({p.notes["start"]: gr.update(open=True)} if request.image else {}),
        **p.sizes.fill(engine, request),
        **p.wearing.fill(request),
        p.form.label: gr.update(**form.classes(info, request.label)),
        p.message: note,
        p.notes["model"]: form.about(info),
        p.chips: _examples(engine, request.model),
    }


def _known(engine: c.Engine, model: str, prompt: str) -> dict:
    """The nearest things the model saw, for a prompt that it may not know."""
    if not (prompt or "").strip():
        return {"kind": "none"}
    try:
        known = engine.known(model, prompt.strip()[:MAX_PROMPT])
    except StudioError:
        return {"kind": "none"}
    nearest = [[caption, round(similarity, 2)] for caption, similarity in known.nearest[:3]]
    return {"kind": "known", "known": known.known, "nearest": nearest}


def _info(engine: c.Engine, model: str) -> c.CheckpointInfo:
    infos = engine.catalog()
    return next((info for info in infos if info.id == model), infos[0])


def _examples(engine: c.Engine, model: str) -> dict:
    return {"kind": "chips", "examples": list(_info(engine, model).examples[:8])}


def _small(name: str, value: dict) -> gr.HTML:
    return gr.HTML(
        value, html_template=f"<div class='{name}'></div>", js_on_load=player.mount(name),
        apply_default_css=False, elem_id=name,
    )  # fmt: skip


def _action(name: str) -> gr.Button:
    return gr.Button(word(name), size="md", interactive=False, elem_id=name)
