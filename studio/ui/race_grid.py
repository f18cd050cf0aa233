"""X/Y grid: one request over two of its fields."""

from __future__ import annotations

import gradio as gr

from studio.ui.page import Page
from studio.ui.words import word


def build(page: Page) -> None:
    """Lay the section out and wire it."""
    gr.HTML(word("race_grid_about"), elem_id="race_grid_about", elem_classes="section-about")
