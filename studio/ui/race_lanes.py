"""The Race tab's lanes: several samplers on one x_T, watched side by side and then compared.

At left what is raced, at right the lanes as they go, their table, and the errors over a ladder of
evaluations. The page's script draws it all from `race_messages`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio import racing as r
from studio.contract import Engine
from studio.ui import (
    form,
    player,
    race_answers,
    race_form,
    race_messages,
    race_restore,
    stream,
    theme,
    words,
)
from studio.ui.page import Page
from studio.ui.visitors import Visitors
from studio.ui.words import word

CLEAR: dict = {"tone": "", "key": "", "arguments": {}, "text": ""}
FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
FIRST_RACE = theme.ASSETS / "first-race"
LADDER_S = 0.15  # between two messages of a ladder that is climbed


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that the section's events read and write."""

    form: race_form.Form
    note: gr.HTML
    chips: gr.HTML
    message: gr.HTML
    stage: gr.HTML
    ladder: gr.HTML
    go: gr.Button
    stop: gr.Button
    dice: gr.Button


def build(page: Page) -> None:
    """Lay the section out and wire it."""
    engine = page.engine
    info = _info(engine, engine.default_model())
    start = race_form.start(engine, info)
    with gr.Row(elem_classes="bench race-bench", equal_height=False):
        with gr.Column(elem_classes="controls", scale=0, min_width=340):
            prompt = gr.Textbox(
                start.base.prompt, label=word("prompt"), info=word("race_prompt_hint"),
                placeholder=word("prompt_placeholder"), lines=1, max_lines=4, elem_id="race_prompt",
            )  # fmt: skip
            chips = _html("race_chips", _examples(info))
            with gr.Row(elem_classes="actions"):
                go = gr.Button(word("race_go"), variant="primary", size="lg", elem_id="race_go")
                stop = gr.Button(
                    word("race_stop"), size="md", interactive=False, elem_id="race_stop"
                )
            asks = race_answers.for_editor(engine)
            fields, note, dice = race_form.controls(engine, start, prompt, asks)
            upload = race_restore.place()
        with gr.Column(elem_classes="view", min_width=320):
            message = _html("race_message", CLEAR)
            stage = gr.HTML(
                race_messages.recorded(FIRST_RACE),
                html_template=(theme.STATIC / "race.html").read_text(encoding="utf-8"),
                js_on_load=player.mount("race"),
                server_functions=race_answers.for_stage(engine),
                apply_default_css=False,
                elem_id="race",
            )
            ladder = _html("race_ladder", {"kind": "none"})
    parts = Parts(fields, note, chips, message, stage, ladder, go, stop, dice)
    races = Visitors(engine.races)
    page.leaving.append(races.leave)
    _wire(page, races, parts)
    race_restore.wire(engine, fields, (note, chips, message), upload)


def _wire(page: Page, races: Visitors, p: Parts) -> None:
    engine = page.engine
    p.go.click(
        _runner(engine, races, p), p.form.inputs(), [p.stage, p.message, p.stop, p.ladder],
        trigger_mode="multiple", **FREE,
    )  # fmt: skip

    def stop_all(request: gr.Request) -> None:
        engine.races.cancel(races.current(request.session_hash))

    p.stop.click(stop_all, None, None, **FREE)
    p.dice.click(form.another_seed, None, p.form.seed, **FREE)

    def choose(model: str) -> dict:
        """Another model: the guidance it is good at, and its examples."""
        info = _info(engine, model)
        scale = form.start(info).guidance.scale
        return {p.form.scale: scale, p.note: form.about(info), p.chips: _examples(info)}

    p.form.model.input(choose, p.form.model, [p.form.scale, p.note, p.chips], **FREE)
    _wire_ladder(engine, p)
    _wire_open(page, p)


def _runner(engine: Engine, races: Visitors, p: Parts):
    def run(request: gr.Request, *values) -> Iterator[dict]:
        """One click on Race: submit, then the board with every few events."""
        try:
            wanted = race_form.read(values)
            race = engine.races.submit(wanted)
        except Exception as error:
            yield {p.message: stream.problem(error)}
            return
        session = request.session_hash
        number, replaced = races.begin(session, race)
        board = race_messages.Board(race, number, engine.choices())
        said = words.message("race_replaced") if replaced else CLEAR
        going, places = True, 0
        try:
            yield {
                p.stage: board.opening(wanted), p.message: said, p.stop: _on(True),
                p.ladder: {"kind": "none"},
            }  # fmt: skip
            for batch in stream.batches(engine.races.events(race)):
                if races.current(session) != race:  # a newer race of this tab has the stage
                    yield {p.stop: gr.skip()}
                    return
                going = not isinstance(batch[-1], r.RACE_LAST)
                shown = board.tell(batch)
                if shown["kind"] == "failed":
                    said = shown["message"]
                places += 1
                # What may be merged away by the page is said again (see decisions/010).
                more = {p.message: said} if places < 3 or not going else {}
                yield {p.stage: shown, p.stop: _on(going), **more}
        except Exception as error:
            if races.current(session) == race:
                yield {p.message: stream.problem(error), p.stop: _on(False)}
        finally:
            races.end(session, race)
            if going:  # the tab was closed, its next race came, or its stream broke
                engine.races.cancel(race)

    return run


def _wire_ladder(engine: Engine, p: Parts) -> None:
    def climb(event: gr.EventData) -> Iterator[dict]:
        """Errors over evaluations for the lanes that the stage shows.

        The message is whole: the lanes that it is of, and every point so far.
        """
        try:
            wanted = race_answers.recipe_of(event._data)
            rungs = race_answers.ladder_of(event._data.get("ladder"))
            lanes = [race_messages.described(lane, engine.choices()) for lane in wanted.lanes]
            told = {"kind": "climbing", "lanes": lanes, "points": [], "ladder": list(rungs)}
            yield {p.ladder: told, p.message: CLEAR}
            last = 0.0
            for part in engine.races.converge(wanted, rungs):
                told = _climbed(told, part)
                if told["kind"] == "climbed" or time.monotonic() - last > LADDER_S:
                    last = time.monotonic()
                    yield {p.ladder: told, p.message: CLEAR}
        except Exception as error:
            yield {p.message: stream.problem(error), p.ladder: {"kind": "none"}}

    going = p.ladder.submit(climb, None, [p.ladder, p.message], **FREE)
    p.ladder.stop(None, None, None, cancels=[going])


def _climbed(told: dict, part: Any) -> dict:
    """The ladder's message with one more part in it."""
    if isinstance(part, r.Measuring):
        return {**told, "measuring": race_messages.measuring(part)}
    if isinstance(part, r.Point):
        return {**told, "points": [*told["points"], race_messages.point(part)]}
    return {**told, "kind": "climbed", **race_messages.convergence(part)}


def _wire_open(page: Page, p: Parts) -> None:
    """A lane's recipe goes into the Generate tab's form."""
    fill, outputs = page.opens["generate"]

    def open_lane(event: gr.EventData) -> dict:
        try:
            return fill(race_answers.lane_of(event._data))
        except Exception as error:
            return {p.message: stream.problem(error)}

    p.stage.select(open_lane, None, [*outputs, p.message], **FREE)


def _info(engine: Engine, model: str):
    infos = engine.catalog()
    return next((info for info in infos if info.id == model), infos[0])


def _examples(info) -> dict:
    return {"kind": "chips", "examples": list(info.examples[:6])}


def _html(name: str, value: dict) -> gr.HTML:
    return gr.HTML(
        value, html_template=f"<div class='{name}'></div>", js_on_load=player.mount(name),
        apply_default_css=False, elem_id=name,
    )  # fmt: skip


def _on(interactive: bool) -> dict:
    return gr.update(interactive=interactive)
