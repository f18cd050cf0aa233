"""What a run starts from, in the Generate form: a picture, the part to paint anew, the strength.

The picture and its mask lie in a part of the page's own script; what it says is believed no more
than a field is. Here it becomes a Request's fields, and a Request becomes what it shows.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

from studio.contract import CheckpointInfo, Engine, Request
from studio.errors import BadRequest, NotFound
from studio.ui import start_answers
from studio.ui.player import mount
from studio.ui.words import word

USUAL = 0.75  # of the steps: much of the picture's layout stays, most of its detail is made anew
# The page's script is told of these fields even when they change while they are folded away.
TELL = """(steps, width, height) => {
  window.dispatchEvent(new CustomEvent("xt-way", { detail: { steps, width, height } }));
}"""


def part(engine: Engine, value: dict) -> tuple[gr.HTML, gr.Accordion]:
    """The component and the fold it lies in; `value` as `fill` makes it."""
    with gr.Accordion(word("start_more"), open=False, elem_id="start_more") as fold:
        made = gr.HTML(
            value, html_template="<div class='start'></div>", js_on_load=mount("start"),
            server_functions=start_answers.for_start(engine), apply_default_css=False,
            elem_id="start",
        )  # fmt: skip
    return made, fold


def wire(steps: gr.Number, width: gr.Number, height: gr.Number) -> None:
    """Let the page's script know how many steps there are, and the run's shape."""
    gr.on(
        [steps.change, width.change, height.change], None, [steps, width, height], None, js=TELL,
        show_progress="hidden", api_visibility="private",
    )  # fmt: skip


def read(value: Any) -> dict[str, Any]:
    """A Request's `image`, `mask` and `strength`; nothing without a picture. Raises BadRequest."""
    said = value if isinstance(value, dict) else {}
    if not said.get("image"):
        return {}
    strength = said.get("strength")
    if isinstance(strength, bool) or not isinstance(strength, int | float):
        raise BadRequest(f"The strength must be a number, not “{str(strength)[:40]}”.")
    return {
        "image": str(said["image"]),
        "mask": str(said.get("mask") or ""),
        "strength": float(strength),
    }


def fill(request: Request, info: CheckpointInfo) -> dict[str, Any]:
    """The component's value that says this request; its script fetches the pictures by id."""
    return {
        "image": request.image,
        "mask": request.mask,
        "strength": request.strength if request.image else USUAL,
        "steps": request.steps,
        "width": request.width or info.size,
        "height": request.height or info.size,
    }


def total(request: Request) -> int:
    """How many steps will run: the last ⌊steps·strength⌋ when it starts from a picture."""
    if not request.image:
        return request.steps
    return min(int(request.steps * request.strength), request.steps)


def missing(engine: Engine, request: Request) -> str:
    """The engine's sentence when a picture that it starts from is not kept, else nothing."""
    try:
        for picture in filter(None, (request.image, request.mask)):
            engine.kept(picture)
    except NotFound as error:
        return str(error)
    return ""
