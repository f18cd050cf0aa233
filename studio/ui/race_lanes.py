"""Lanes: several samplers on one x_T, watched side by side."""

from __future__ import annotations

import gradio as gr

from studio.ui.page import Page
from studio.ui.words import word


def build(page: Page) -> None:
    """Lay the section out and wire it."""
    gr.HTML(word("race_lanes_about"), elem_id="race_lanes_about", elem_classes="section-about")
