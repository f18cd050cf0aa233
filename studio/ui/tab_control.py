"""The Control tab: a picture or a drawing that the network follows, beside the same run without.

At left the sheets and the request, at right both runs as they go: from one x_T, on shared
forwards, with what was shown to the network, where they differ, and what the control added.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio import contract as c
from studio.errors import BadRequest
from studio.ui import control_answers, control_form, form, player, stream, theme, words
from studio.ui.control_messages import WAYS, Board
from studio.ui.page import Page
from studio.ui.visitors import Visitors
from studio.ui.words import word

CLEAR: dict = {"tone": "", "key": "", "arguments": {}, "text": ""}
FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that the tab's events read and write."""

    form: control_form.Form
    message: gr.HTML
    stage: gr.HTML
    go: gr.Button
    stop: gr.Button
    dice: gr.Button


class Pairs:
    """Two runs under one id, as far as visitors are concerned."""

    def __init__(self, engine: c.Engine) -> None:
        self._engine = engine

    def forget(self, run: str) -> None:
        for part in run.split():
            self._engine.forget(part)


def tab(page: Page) -> None:
    """Lay the tab out and wire it."""
    engine = page.engine
    info = _info(engine, _base(engine))
    with gr.Row(elem_classes="bench control-bench", equal_height=False):
        with gr.Column(elem_classes="controls", scale=0, min_width=340):
            prompt = gr.Textbox(
                control_form.PROMPT, label=word("prompt"), info=word("control_prompt_hint"),
                placeholder=word("prompt_placeholder"), lines=1, max_lines=3,
                elem_id="control_prompt",
            )  # fmt: skip
            with gr.Row(elem_classes="actions"):
                go = gr.Button(
                    word("control_go"), variant="primary", size="lg", elem_id="control_go"
                )
                stop = gr.Button(
                    word("stop"), size="md", interactive=False, elem_id="control_stop"
                )
            sheets = gr.HTML(
                control_form.start(engine),
                html_template="<div class='control_sheets'></div>",
                js_on_load=player.mount("control_sheets"),
                server_functions=control_answers.for_sheets(engine),
                apply_default_css=False,
                elem_id="control_sheets",
            )
            fields, dice = control_form.controls(engine, info, sheets, prompt)
        with gr.Column(elem_classes="view", min_width=320):
            message = gr.HTML(
                CLEAR, html_template="<div class='race_message'></div>",
                js_on_load=player.mount("race_message"), apply_default_css=False,
                elem_id="control_message",
            )  # fmt: skip
            stage = gr.HTML(
                {"kind": "empty", "run": "", "number": 0},
                html_template=(theme.STATIC / "control.html").read_text(encoding="utf-8"),
                js_on_load=player.mount("control"),
                server_functions=player.for_recorded(engine),
                apply_default_css=False,
                elem_id="control",
            )
    pairs = Visitors(Pairs(engine))
    page.leaving.append(pairs.leave)
    _wire(engine, pairs, Parts(fields, message, stage, go, stop, dice))


def _wire(engine: c.Engine, pairs: Visitors, p: Parts) -> None:
    p.go.click(
        _runner(engine, pairs, p), p.form.inputs(), [p.stage, p.message, p.stop],
        trigger_mode="multiple", **FREE,
    )  # fmt: skip

    def stop_both(request: gr.Request) -> None:
        for run in pairs.current(request.session_hash).split():
            engine.cancel(run)

    p.stop.click(stop_both, None, None, **FREE)
    p.dice.click(form.another_seed, None, p.form.seed, **FREE)


def _runner(engine: c.Engine, pairs: Visitors, p: Parts):
    def run(request: gr.Request, *values) -> Iterator[dict]:
        """One click: the steered run and the free one, and a message with every few events."""
        runs: list[str] = []
        try:
            model = str(values[1] or "")
            info = next((i for i in engine.catalog() if i.id == model), None)
            wanted = control_form.read(values, form.start(info) if info else c.Request(model))
            hints = _hints(engine, wanted, info)
            runs.append(engine.submit(wanted))
            runs.append(engine.submit(wanted.with_(controls=())))
        except Exception as error:
            for started in runs:
                engine.forget(started)
            yield {p.message: stream.problem(error)}
            return
        session, both = request.session_hash, " ".join(runs)
        number, replaced = pairs.begin(session, both)
        kinds = {known.id: known for known in engine.steering.controls()}
        board = Board(both, number, wanted, hints, kinds)
        said = words.message("note_replaced") if replaced else CLEAR
        places = 0
        try:
            yield {p.stage: board.opening(), p.message: said, p.stop: gr.update(interactive=True)}
            for batch in stream.batches(_merged(engine, runs)):
                if pairs.current(session) != both:
                    yield {p.stop: gr.skip()}
                    return
                shown = board.tell(batch)
                said = shown.get("message", said)
                places += 1
                # What may be merged away by the page is said again (see decisions/010).
                more = {p.message: said} if places < 3 or board.over else {}
                yield {p.stage: shown, p.stop: gr.update(interactive=not board.over), **more}
        except Exception as error:
            if pairs.current(session) == both:
                yield {p.message: stream.problem(error), p.stop: gr.update(interactive=False)}
        finally:
            pairs.end(session, both)
            if not board.over:  # the tab was closed, its next runs came, or its stream broke
                for started in runs:
                    engine.cancel(started)

    return run


def _merged(engine: c.Engine, runs: list[str]) -> Iterator[tuple[str, c.Event]]:
    """The events of both runs as they come, each with whose it is. Raises what reading raised."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()

    def read(way: str, run: str) -> None:
        try:
            for event in engine.events(run):
                waiting.put((way, event))
            waiting.put((way, None))
        except Exception as error:
            waiting.put((way, error))

    for way, run in zip(WAYS, runs, strict=True):
        threading.Thread(target=read, args=(way, run), name="events", daemon=True).start()
    left = len(runs)
    while left:
        way, event = waiting.get()
        if isinstance(event, Exception):
            raise event
        if event is None:
            left -= 1
        else:
            yield way, event


def _hints(engine: c.Engine, request: c.Request, info: c.CheckpointInfo | None) -> list[str]:
    """What each control's network receives, as data URIs. Raises BadRequest, NotFound."""
    if info is None:
        raise BadRequest("Choose a checkpoint first.")
    return [
        stream.png(engine.steering.hint(control, info.size, info.size))
        for control in request.controls
    ]


def _base(engine: c.Engine) -> str:
    """The checkpoint to open with: one that a control was trained for, else the default."""
    known = {info.id for info in engine.catalog()}
    for control in engine.steering.controls():
        if control.base in known:
            return control.base
    return engine.default_model()


def _info(engine: c.Engine, model: str) -> Any:
    return next(info for info in engine.catalog() if info.id == model)
