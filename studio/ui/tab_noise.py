"""The Noise tab: a picture and a schedule at left, and at right the way from one to noise.

The page's script draws every x_t by itself from one x0 and one eps; the lab is asked for what
only it can tell: decoded latents, what a model knows, inversions, the walk in single steps.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from studio.contract import Engine
from studio.noising import METHODS
from studio.ui import help, noise_form, noise_messages, player, stream, theme, words
from studio.ui.form import whole
from studio.ui.page import Page
from studio.ui.words import word

CLEAR: dict = {"tone": "", "key": "", "arguments": {}, "text": ""}
FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
STRIP = tuple(k / 8 for k in range(9))
DECODED = tuple(k / 16 for k in range(17))
GUESSED = (0.04, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98)
WALKED = (0.125, 0.25, 0.5, 0.75, 1.0)
DECODED_AT_ONCE = 6
LIVE_S = 0.12  # between two messages of an inversion that goes


@dataclass(frozen=True, slots=True)
class Parts:
    """The components that the tab's events read and write."""

    form: noise_form.Form
    picture: gr.State  # bytes, or None for the first bundled one
    picker: gr.HTML
    upload: gr.File
    message: gr.HTML
    stage: gr.HTML
    feed: gr.HTML
    file: gr.HTML
    panels: dict[str, gr.HTML]
    buttons: dict[str, gr.Button]
    prompt: gr.Textbox
    seeds: gr.Number
    method: gr.Radio
    steps: gr.Number


def tab(page: Page) -> None:
    """Lay the tab out and wire it."""
    engine = page.engine
    with gr.Row(elem_classes="bench noise-bench", equal_height=False):
        with gr.Column(elem_classes="controls", scale=0, min_width=320):
            picker = _html("noise_picker", noise_messages.thumbnails())
            upload = gr.File(
                label=word("noise_upload"), type="filepath", elem_id="noise_upload", height=44,
            )  # fmt: skip
            form = noise_form.controls(engine)
        with gr.Column(elem_classes="view noise-view", min_width=320):
            message = _html("noise_message", CLEAR)
            stage = gr.HTML(
                {"kind": "empty", "key": 0},
                html_template=(theme.STATIC / "noise.html").read_text(encoding="utf-8"),
                js_on_load=player.mount("noise"),
                apply_default_css=False,
                elem_id="noise",
            )
            feed, file = _html("noise_feed", {}), _html("noise_file", {})
            buttons: dict[str, gr.Button] = {}
            with gr.Row(elem_classes="noise-files"):
                buttons["png"] = _button("noise_png")
                buttons["gif"] = _button("noise_gif")
            panels: dict[str, gr.HTML] = {}
            with gr.Accordion(word("noise_knows"), open=False, elem_id="noise_knows"):
                with gr.Row(elem_classes="noise-ask"):
                    prompt = gr.Textbox(
                        "", label=word("prompt"), info=word("noise_prompt_hint"), max_lines=1,
                        elem_id="noise_prompt",
                    )  # fmt: skip
                    seeds = gr.Number(
                        4, label=word("noise_seeds"), info=word("noise_seeds_hint"), precision=0,
                        elem_id="noise_seeds", min_width=80,
                    )  # fmt: skip
                    buttons["ask"] = _button("noise_ask")
                    buttons["ask_stop"] = _button("noise_ask_stop")
                panels["guesses"] = _html("noise_guesses", {})
            with gr.Accordion(word("noise_invert"), open=False, elem_id="noise_invert"):
                with gr.Row(elem_classes="noise-ask"):
                    method = gr.Radio(
                        [(word(f"noise_method_{m}"), m) for m in METHODS], value=METHODS[0],
                        label=word("noise_method"), info=word("noise_method_hint"),
                        elem_id="noise_method",
                    )  # fmt: skip
                    steps = gr.Number(
                        20, label=word("steps"), info=word("noise_steps_hint"), precision=0,
                        elem_id="noise_steps", min_width=80,
                    )  # fmt: skip
                    buttons["invert"] = _button("noise_there_and_back")
                    buttons["invert_stop"] = _button("noise_invert_stop")
                panels["inversion"] = _html("noise_inversion", {})
                help.fold("help_inversion", "inversion")
            with gr.Accordion(word("noise_walk"), open=False, elem_id="noise_walk"):
                with gr.Row(elem_classes="noise-ask"):
                    buttons["walk"] = _button("noise_walk_go")
                panels["walk"] = _html("noise_walked", {})
            with gr.Accordion(word("noise_gaussians"), open=False, elem_id="noise_gaussians"):
                _html("gaussians", {})
            with gr.Accordion(word("noise_densities"), open=False, elem_id="noise_densities"):
                said = noise_messages.densities(engine.lab.densities())
                _html("noise_density", {"densities": said})
    parts = Parts(
        form, gr.State(None), picker, upload, message, stage, feed, file, panels, buttons,
        prompt, seeds, method, steps,
    )  # fmt: skip
    _wire(engine, parts)


def _wire(engine: Engine, p: Parts) -> None:
    keys = itertools.count(1)
    asked = [p.picture, *p.form.inputs()]

    def show(picture: bytes | None, *values) -> Iterator[dict]:
        """The forward process for what the controls say; then, in latent space, its decoding."""
        noising, against = noise_form.read(values)
        key = next(keys)
        if noising.space == "latent":
            yield {p.message: _opening(engine, noising.model)}
        made = engine.lab.process(noising, _bytes(picture), against)
        yield {p.stage: noise_messages.process(made, key), p.message: CLEAR}
        if noising.space == "latent":
            parts = []
            for part in engine.lab.decoded(noising, _bytes(picture), DECODED):
                parts.append(part)
                if len(parts) % DECODED_AT_ONCE == 0 or len(parts) == len(DECODED):
                    yield {p.feed: noise_messages.decoded(parts, key)}

    drawn = [p.stage, p.message, p.feed]
    shown = _guarded(show, p.message)
    gr.on(
        [p.stage.submit, *(component.change for component in p.form.inputs())], shown, asked, drawn,
        trigger_mode="always_last", **FREE,
    )  # fmt: skip

    def choose(event: gr.EventData, *values) -> Iterator[dict]:
        """One of the bundled pictures."""
        data = noise_messages.bundled().get(str(event._data.get("name")))
        yield {p.picture: data}
        yield from shown(data, *values)

    p.picker.select(
        choose, p.form.inputs(), [p.picture, *drawn], trigger_mode="always_last", **FREE
    )

    def take(upload: dict | None, *values) -> Iterator[dict]:
        """A visitor's picture; the file is not kept."""
        if upload is None:
            return
        path = upload["path"]
        try:
            data = noise_messages.kept(Path(path))
        except Exception as error:
            yield {p.message: stream.problem(error), p.upload: None}
            return
        finally:
            Path(path).unlink(missing_ok=True)
        yield {
            p.picture: data,
            p.upload: None,
            p.picker: {**noise_messages.thumbnails(), "chosen": ""},
        }
        yield from shown(data, *values)

    p.upload.upload(
        take, [p.upload, *p.form.inputs()], [p.picture, p.upload, p.picker, *drawn],
        preprocess=False, **FREE,  # which would leave an empty file behind for every upload
    )  # fmt: skip
    _wire_files(engine, p, asked)
    _wire_panels(engine, p, asked, keys)


def _wire_files(engine: Engine, p: Parts, asked: list) -> None:
    def strip(picture: bytes | None, *values) -> Iterator[dict]:
        noising, _ = noise_form.read(values)
        sheet = noise_messages.sheet(engine.lab.strip(noising, _bytes(picture), STRIP))
        name = f"noise-{noising.schedule.id}-s{noising.seed}"
        yield {p.file: noise_messages.download(sheet, f"{name}.png", "image/png")}

    def film(picture: bytes | None, *values) -> Iterator[dict]:
        noising, _ = noise_form.read(values)
        data = engine.lab.film(noising, _bytes(picture))
        name = f"noise-{noising.schedule.id}-s{noising.seed}"
        yield {p.file: noise_messages.download(data, f"{name}.gif", "image/gif")}

    for name, make in (("png", strip), ("gif", film)):
        p.buttons[name].click(_guarded(make, p.message), asked, [p.file, p.message], **FREE)


def _wire_panels(engine: Engine, p: Parts, asked: list, keys: Iterator[int]) -> None:
    def guess(prompt: str, seeds: float, picture: bytes | None, *values) -> Iterator[dict]:
        noising, _ = noise_form.read(values)
        key, parts = next(keys), []
        panel = p.panels["guesses"]
        opening = _opening(engine, noising.model)
        yield {p.message: opening, panel: noise_messages.guesses([], key, False)}
        answers = engine.lab.guesses(
            noising, _bytes(picture), GUESSED, prompt or "", whole("number of seeds", seeds)
        )
        for part in answers:
            parts.append(part)
            done = part.index + 1 == part.total
            yield {p.message: CLEAR, panel: noise_messages.guesses(parts, key, done)}

    going = p.buttons["ask"].click(
        _guarded(guess, p.message), [p.prompt, p.seeds, *asked],
        [p.panels["guesses"], p.message], **FREE,
    )  # fmt: skip
    p.buttons["ask_stop"].click(None, None, None, cancels=[going])

    def invert(method: str, steps: float, prompt: str, picture, *values) -> Iterator[dict]:
        noising, _ = noise_form.read(values)
        panel, last = p.panels["inversion"], 0.0
        yield {p.message: _opening(engine, noising.model)}
        count = whole("number of steps", steps)
        for part in engine.lab.invert(noising, _bytes(picture), method, count, prompt or ""):
            message = noise_messages.inversion(part)
            if message["kind"] == "inverted" or time.monotonic() - last > LIVE_S:
                last = time.monotonic()
                yield {p.message: CLEAR, panel: message}

    going = p.buttons["invert"].click(
        _guarded(invert, p.message), [p.method, p.steps, p.prompt, *asked],
        [p.panels["inversion"], p.message], **FREE,
    )  # fmt: skip
    p.buttons["invert_stop"].click(None, None, None, cancels=[going])

    def walk(picture: bytes | None, *values) -> Iterator[dict]:
        noising, _ = noise_form.read(values)
        parts = []
        yield {p.message: CLEAR}
        for part in engine.lab.walk(noising, _bytes(picture), WALKED):
            parts.append(part)
            yield {p.panels["walk"]: noise_messages.walked(parts)}

    p.buttons["walk"].click(_guarded(walk, p.message), asked, [p.panels["walk"], p.message], **FREE)


def _guarded(make: Callable[..., Iterator[dict]], message: gr.HTML) -> Callable:
    """The handler, with a sentence in the message area where it would raise."""

    def handler(*values) -> Iterator[dict]:
        try:
            yield from make(*values)
        except Exception as error:
            yield {message: stream.problem(error)}

    return handler


def _opening(engine: Engine, model: str) -> dict:
    """A line while a checkpoint is being opened, where it is not yet."""
    info = next((info for info in engine.catalog() if info.id == model), None)
    if info is None or info.loaded:
        return CLEAR
    return words.message("noise_opening", model=info.title)


def _bytes(picture: bytes | None) -> bytes:
    return picture or next(iter(noise_messages.bundled().values()))


def _html(name: str, value: dict) -> gr.HTML:
    return gr.HTML(
        value, html_template=f"<div class='{name}'></div>", js_on_load=player.mount(name),
        apply_default_css=False, elem_id=f"{name}_box",
    )  # fmt: skip


def _button(name: str) -> gr.Button:
    return gr.Button(word(name), size="md", elem_id=name, min_width=90, scale=0)
