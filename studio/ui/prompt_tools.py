"""Beside the prompt: how many tokens it has, styles to put on, and words to draw from."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from studio.contract import Engine
from studio.errors import StudioError
from studio.presets import styles, toggled, word_lists
from studio.recipe import MAX_PROMPT
from studio.ui import stream
from studio.ui.player import mount
from studio.ui.words import word

FREE = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}


@dataclass(frozen=True, slots=True)
class Tools:
    """The components beside the prompt."""

    tokens: gr.HTML
    chips: gr.HTML


def counter(prompt: str) -> gr.HTML:
    """The line below the prompt; it is filled as soon as somebody types."""
    return _html("prompt_tokens", {"kind": "none"})


def chooser(prompt: str) -> gr.HTML:
    """Styles and lists of words, folded."""
    with gr.Accordion(word("prompt_tools"), open=False, elem_id="prompt_tools_more"):
        return _html("prompt_tools", offered(prompt))


def offered(prompt: str) -> dict:
    """What can be chosen, and which style the prompt wears."""
    worn = next((style.id for style in styles() if style.worn(prompt) is not None), "")
    return {
        "styles": [style.id for style in styles()],
        "lists": {name: list(words[:5]) for name, words in word_lists().items()},
        "worn": worn,
    }


def counted(engine: Engine, model: str, prompt: str) -> dict:
    """The prompt's tokens, or what is wrong with it."""
    try:
        said = engine.tokens(model, prompt[:MAX_PROMPT])
    except StudioError as error:
        return {"kind": "problem", "message": stream.problem(error)}
    if said is None or not prompt.strip():
        return {"kind": "none"}
    return {
        "kind": "tokens",
        "count": said.count,
        "room": said.room,
        "pieces": said.pieces,
        "unread": said.unread,
    }


def wire(
    engine: Engine, tools: Tools, prompt: gr.Textbox, negative: gr.Textbox, model: gr.Radio
) -> None:
    """Count as somebody types; a click on a style puts it on or takes it off."""

    def look(typed: str, chosen: str) -> tuple[dict, dict]:
        return counted(engine, chosen, typed or ""), offered(typed or "")

    gr.on(
        [prompt.change, model.change], look, [prompt, model], [tools.tokens, tools.chips],
        trigger_mode="always_last", **FREE,
    )  # fmt: skip

    def put_on(event: gr.EventData, typed: str, against: str) -> tuple[str, str]:
        style = next((s for s in styles() if s.id == str(event._data.get("style"))), None)
        if style is None:
            return typed, against
        return toggled((typed or "").strip(), (against or "").strip(), style)

    tools.chips.select(put_on, [prompt, negative], [prompt, negative], **FREE)


def _html(name: str, value: dict) -> gr.HTML:
    return gr.HTML(
        value, html_template=f"<div class='{name}'></div>", js_on_load=mount(name),
        apply_default_css=False, elem_id=name,
    )  # fmt: skip
