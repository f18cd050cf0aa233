"""Exact twin: the same samplers on a plane, where the answer is known in closed form."""

from __future__ import annotations

import gradio as gr

from studio.ui.page import Page
from studio.ui.words import word


def build(page: Page) -> None:
    """Lay the section out and wire it."""
    gr.HTML(word("race_twin_about"), elem_id="race_twin_about", elem_classes="section-about")
