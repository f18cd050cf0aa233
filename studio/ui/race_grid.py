"""X/Y grid: one request over two of its fields, filled live and kept through a stop or a reload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import fields as fields_of
from pathlib import Path

import gradio as gr

from studio.contract import Engine
from studio.errors import NotFound
from studio.gridding import Grid
from studio.imaging.pictures import open_picture
from studio.store.files import read_recipe
from studio.ui import form as generate_form
from studio.ui import grid_form, grid_messages, player, stream, words
from studio.ui.grid_form import html
from studio.ui.page import Page
from studio.ui.words import word

CLEAR: dict = {"tone": "", "key": "", "arguments": {}, "text": ""}
FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
LIVE_S = 0.2  # between two messages of a grid that is filled


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that the section's events read and write."""

    form: grid_form.Form
    names: dict[str, gr.HTML]
    plan: gr.HTML
    message: gr.HTML
    stage: gr.HTML
    fill: gr.Button
    stop: gr.Button
    resume: gr.Button
    take: gr.Button
    upload: gr.File


def build(page: Page) -> None:
    """Lay the section out and wire it."""
    engine = page.engine
    with gr.Row(elem_classes="bench grid-bench", equal_height=False):
        with gr.Column(elem_classes="controls", scale=0, min_width=320):
            form, names = grid_form.controls(engine)
            take = gr.Button(word("grid_take"), size="sm", elem_id="grid_take")
            with gr.Accordion(word("grid_restore"), open=False, elem_id="grid_restore_more"):
                upload = gr.File(
                    label=word("grid_restore_hint"), type="filepath", elem_id="grid_restore",
                    height=44,
                )  # fmt: skip
        with gr.Column(elem_classes="view grid-view", min_width=320):
            with gr.Row(elem_classes="grid-bar"):
                plan = html("grid_plan", "grid_plan", {})
                fill = gr.Button(
                    word("grid_fill"), variant="primary", size="md", elem_id="grid_fill", scale=0,
                    min_width=110,
                )  # fmt: skip
                stop, resume = (_button(name) for name in ("grid_stop", "grid_resume"))
            message = html("grid_message", "grid_message", CLEAR)
            stage = gr.HTML(
                {"kind": "empty"},
                html_template="<div class='grid-stage'></div>",
                js_on_load=player.mount("grid_stage"),
                server_functions=grid_messages.server_functions(engine),
                apply_default_css=False,
                elem_id="grid_stage",
            )
    parts = Parts(form, names, plan, message, stage, fill, stop, resume, take, upload)
    held = _Held(engine)
    page.leaving.append(held.leave)
    _wire_form(page, parts)
    _wire_filling(engine, held, parts)
    _wire_open(page, parts)


class _Held:
    """The grid that each open tab fills: it stops when the tab is closed, and its cells stay."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._ids, self._lock = engine, dict[str, str](), threading.Lock()

    def take(self, session: str, id: str) -> None:
        """This grid is now the tab's own; its former one is stopped and freed."""
        with self._lock:
            former = self._ids.get(session)
            self._ids[session] = id
        if former and former != id:
            self._engine.grids.forget(former)

    def of(self, session: str) -> str:
        with self._lock:
            return self._ids.get(session, "")

    def leave(self, session: str) -> None:
        with self._lock:
            id = self._ids.pop(session, "")
        if id:
            self._engine.grids.stop(id)


def _wire_form(page: Page, p: Parts) -> None:
    engine, form = page.engine, p.form

    def announce(*values) -> dict:
        """What the grid would cost, or why it cannot be filled."""
        try:
            grid = grid_form.read(values, engine.grids.names())
            return {p.plan: grid_messages.announced(engine.grids.plan(grid))}
        except Exception as error:
            return {p.plan: {"kind": "problem", "message": stream.problem(error)}}

    changes = [component.change for component in form.inputs()]
    gr.on(changes, announce, form.inputs(), p.plan, trigger_mode="always_last", **FREE)

    for axis in ("x", "y"):

        def choose(field: str, prompt: str, model: str, axis: str = axis) -> tuple:
            """Another field: values that suit it, and the names to choose from."""
            values = grid_form.suggestion(engine, field, prompt or "", model)
            none = field == grid_form.NONE
            return gr.update(value="" if none else values, visible=not none), grid_form.offer(
                engine, axis, field
            )

        getattr(form, axis).input(
            choose, [getattr(form, axis), form.prompt, form.model],
            [getattr(form, f"{axis}_values"), p.names[axis]], **FREE,
        )  # fmt: skip

    def change(model: str, x: str, y: str) -> dict:
        """Another model: what suits it, and the fields that it has."""
        request = grid_form.suggested(engine, model)
        said = {form.steps: request.steps, form.scale: request.guidance.scale}
        said |= {form.sampler: request.sampler, form.spacing: request.spacing}
        return {**said, **grid_form.offers(form, engine, request, x, y)}

    form.model.input(change, [form.model, form.x, form.y], form.inputs(), **FREE)

    def take(x: str, y: str, *values) -> dict:
        """What the controls of Generate say, as the request of the grid."""
        try:
            request, _ = generate_form.read(values)
            said = grid_form.requested(form, request)
            said |= grid_form.offers(form, engine, request, x, y)
            return {**said, p.message: words.message("grid_taken")}
        except Exception as error:
            return {p.message: stream.problem(error)}

    if "generate" in page.opens:
        theirs = page.opens["generate"][1][: len(fields_of(generate_form.Form))]
        p.take.click(take, [form.x, form.y, *theirs], [*form.inputs(), p.message], **FREE)

    def restore(upload: dict | None) -> dict:
        """The grid out of a dropped PNG, into the controls; the file is not kept."""
        if upload is None:
            return {p.upload: gr.skip()}
        path = upload["path"]
        try:
            open_picture(path)
            text = read_recipe(path)
            if text is None:
                return {p.message: words.message("err_no_recipe", "error"), p.upload: None}
            grid = Grid.from_json(text)
            said = grid_form.fill(form, engine, grid)
            for axis, chosen in (("x", grid.x), ("y", grid.y)):
                said[p.names[axis]] = grid_form.offer(
                    engine, axis, chosen.field if chosen else grid_form.NONE
                )
            note = words.message("grid_restored", columns=grid.columns, rows=grid.rows)
            return {**said, p.message: note, p.upload: None}
        except Exception as error:
            return {p.message: stream.problem(error), p.upload: None}
        finally:
            Path(path).unlink(missing_ok=True)

    p.upload.upload(
        restore, p.upload, [*form.inputs(), *p.names.values(), p.message, p.upload],
        preprocess=False, **FREE,
    )  # fmt: skip


def _wire_filling(engine: Engine, held: _Held, p: Parts) -> None:
    outputs = [p.stage, p.message, p.plan, p.fill, p.stop, p.resume]
    grids = engine.grids

    def shown(id: str, grid: Grid) -> dict:
        now = next(grids.watch(id))
        return {
            p.stage: grid_messages.filling(engine, grid, now),
            **_buttons(p, now.state, now.done < now.cells),
        }

    def follow(session: str, id: str) -> Iterator[dict]:
        """The grid's progress until it stops; a tab that is closed meanwhile stops it."""
        grid, over = grids.grid(id), False
        try:
            for now in grids.watch(id):
                over = now.state != "running"
                if held.of(session) != id:
                    over = True
                    yield {p.stop: gr.skip()}
                    return
                yield {
                    p.stage: grid_messages.filling(engine, grid, now), p.message: CLEAR,
                    **_buttons(p, now.state, now.done < now.cells),
                }  # fmt: skip
                if not over:
                    time.sleep(LIVE_S)
        finally:
            if not over:
                grids.stop(id)

    def fill(request: gr.Request, *values) -> Iterator[dict]:
        grid = grid_form.read(values, grids.names())
        id = grids.start(grid)
        held.take(request.session_hash, id)
        yield from follow(request.session_hash, id)
        if held.of(request.session_hash) == id:  # it has been timed now
            yield {p.plan: grid_messages.announced(grids.plan(grid)), **shown(id, grid)}

    def resume(request: gr.Request) -> Iterator[dict]:
        id = held.of(request.session_hash)
        grids.resume(id)
        yield from follow(request.session_hash, id)

    def attach(request: gr.Request, event: gr.EventData) -> Iterator[dict]:
        """A page that was loaded again asks for the grid that it had."""
        id = str(event._data.get("id"))
        try:
            grids.grid(id)
        except NotFound:
            yield {p.stage: {"kind": "empty"}}
            return
        held.take(request.session_hash, id)
        yield from follow(request.session_hash, id)

    def stop(request: gr.Request) -> None:
        grids.stop(held.of(request.session_hash))

    p.fill.click(_guarded(fill, p), p.form.inputs(), outputs, trigger_mode="multiple", **FREE)
    p.resume.click(_guarded(resume, p), None, outputs, **FREE)
    p.stage.select(_guarded(attach, p), None, outputs, **FREE)
    p.stop.click(stop, None, None, **FREE)


def _wire_open(page: Page, p: Parts) -> None:
    """A cell's recipe goes into Generate's controls; the page's script shows that tab."""
    if "generate" not in page.opens:
        return
    open_request, theirs = page.opens["generate"]

    def open_cell(event: gr.EventData) -> dict:
        try:
            _, cells = page.engine.grids.cells(str(event._data.get("id")))
            request = cells[int(event._data.get("index"))].request
            return open_request(request) if request else {p.message: CLEAR}
        except Exception as error:
            return {p.message: stream.problem(error)}

    p.stage.submit(open_cell, None, [*theirs, p.message], **FREE)


def _guarded(make: Callable[..., Iterator[dict]], p: Parts) -> Callable:
    """The handler, with a sentence in the message area where it would raise."""

    def with_session(request: gr.Request, *values) -> Iterator[dict]:
        try:
            yield from make(request, *values)
        except Exception as error:
            yield {p.message: stream.problem(error), **_buttons(p, "stopped", False)}

    def with_event(request: gr.Request, event: gr.EventData) -> Iterator[dict]:
        yield from with_session(request, event)

    return with_event if make.__name__ == "attach" else with_session


def _buttons(p: Parts, state: str, left: bool) -> dict:
    return {
        p.stop: gr.update(interactive=state == "running"),
        p.resume: gr.update(interactive=state != "running" and left),
    }


def _button(name: str) -> gr.Button:
    return gr.Button(word(name), size="md", interactive=False, elem_id=name, scale=0, min_width=80)
