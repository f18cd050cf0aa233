"""What a model can wear, in the Generate form: a box and a weight for each adapter, autoencoders.

There is nothing to see where the models folders hold none. What is chosen but does not fit the
model is refused by the engine in words; the page only greys it.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.adapting import MAX_WEIGHT, Adapter, AdapterInfo
from studio.contract import Engine, Request, View
from studio.ui.form import number
from studio.ui.words import word

MOST = 24  # in the list; a prompt can name any other: <lora:name:0.8>
SAID = {"lora": "LoRA", "embedding": "Textual inversion"}  # kinds, in people's own words


@dataclass(frozen=True, slots=True)
class Wearing:
    """The components, and which adapter each of the boxes stands for."""

    infos: tuple[AdapterInfo, ...] = ()
    boxes: tuple[gr.Checkbox, ...] = ()
    weights: tuple[gr.Slider, ...] = ()
    vae: gr.Dropdown | None = None
    tiny: gr.Dropdown | None = None

    def inputs(self) -> list:
        """The components in the order in which `read` takes their values."""
        return [*self.boxes, *self.weights, *filter(None, (self.vae, self.tiny))]

    def read(self, request: Request, view: View, values: tuple) -> tuple[Request, View]:
        """The request and the view with what is chosen here. Raises BadRequest."""
        count = len(self.boxes)
        boxes, weights, rest = values[:count], values[count : 2 * count], list(values[2 * count :])
        worn = []
        for info, on, weight in zip(self.infos, boxes, weights, strict=True):
            if on:
                worn.append(Adapter(info.id, number("adapter's weight", weight)))
        vae = rest.pop(0) if self.vae else ""
        tiny = rest.pop(0) if self.tiny else ""
        changed = request.with_(adapters=tuple(worn), vae=str(vae or ""))
        return changed, replace(view, tiny=str(tiny or ""))

    def fill(self, request: Request) -> dict[Any, Any]:
        """Component → value that makes these say a request."""
        worn = {adapter.id: adapter.weight for adapter in request.adapters}
        values: dict[Any, Any] = {}
        for info, box, weight in zip(self.infos, self.boxes, self.weights, strict=True):
            values[box], values[weight] = info.id in worn, worn.get(info.id, 1.0)
        if self.vae:
            values[self.vae] = request.vae
        return values

    def fitting(self, engine: Engine, model: str) -> dict[Any, Any]:
        """Component → update: what does not fit the model cannot be ticked."""
        updates: dict[Any, Any] = {}
        for info, box, weight in zip(self.infos, self.boxes, self.weights, strict=True):
            fits = not engine.adapting.fits(info.id, model)
            updates[box] = gr.update(interactive=fits) if fits else gr.update(
                interactive=False, value=False
            )  # fmt: skip
            updates[weight] = gr.update(interactive=fits)
        for kind, chooser in (("vae", self.vae), ("tiny", self.tiny)):
            if chooser:
                found = _offered(engine, kind, model)
                some = len(found) > 1
                updates[chooser] = gr.update(choices=found, value="", interactive=some)
        return updates


def controls(engine: Engine, model: str) -> Wearing:
    """Lay out the list, filled for a model; nothing where there is nothing to wear."""
    infos = engine.adapting.adapters()
    listed = tuple(info for info in infos if info.kind in SAID)[:MOST]
    if not infos:
        return Wearing()
    boxes, weights = [], []
    with gr.Accordion(word("adapters"), open=False, elem_id="adapters"):
        if listed:
            gr.Markdown(word("adapters_hint"), elem_classes="note")
        for place, info in enumerate(listed):
            fits = not engine.adapting.fits(info.id, model)
            with gr.Row(elem_classes="adapter"):
                boxes.append(
                    gr.Checkbox(
                        False,
                        label=info.title,
                        info=_about(info),
                        interactive=fits,
                        elem_id=f"adapter_{place}",
                        min_width=150,
                    )
                )
                weights.append(
                    gr.Slider(
                        -MAX_WEIGHT,
                        MAX_WEIGHT,
                        1.0,
                        step=0.05,
                        label=word("adapter_weight"),
                        interactive=fits,
                        elem_id=f"adapter_weight_{place}",
                        min_width=120,
                    )
                )
        vae = _chooser(engine, "vae", model) if any(i.kind == "vae" for i in infos) else None
        tiny = _chooser(engine, "tiny", model) if any(i.kind == "tiny" for i in infos) else None
    return Wearing(listed, tuple(boxes), tuple(weights), vae, tiny)


def _about(info: AdapterInfo) -> str:
    """Shown as Markdown, so a word out of somebody's file is escaped for it."""
    said = SAID[info.kind]
    letters = re.sub(r"([\\`*_\[\]()#!~|])", r"\\\1", html.escape(info.trigger, quote=False))
    return f"{said} · {letters}" if info.trigger else f"{said} · r {info.rank}"


def _chooser(engine: Engine, kind: str, model: str) -> gr.Dropdown:
    offered = _offered(engine, kind, model)
    return gr.Dropdown(
        offered, value="", label=word(f"adapter_{kind}"), info=word(f"adapter_{kind}_hint"),
        interactive=len(offered) > 1, elem_id=f"adapter_{kind}",
    )  # fmt: skip


def _offered(engine: Engine, kind: str, model: str) -> list[tuple[str, str]]:
    """The checkpoint's own first, then those that fit it."""
    found = [i for i in engine.adapting.adapters() if i.kind == kind]
    own = [("—", "")]
    return own + [(i.title, i.id) for i in found if not engine.adapting.fits(i.id, model)]
