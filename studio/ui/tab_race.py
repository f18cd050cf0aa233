"""The Race tab: samplers compared on one noise, in three sections.

Each section is a module with a `build(page)` that lays itself out where it is called and wires
itself; this one only gives them their places.
"""

from __future__ import annotations

import gradio as gr

from studio.ui import race_grid, race_lanes, race_twin
from studio.ui.page import Page
from studio.ui.words import word

# Name in the catalogue and elem_id, and what lays the section out.
SECTIONS = (
    ("race_lanes", race_lanes.build),
    ("race_twin", race_twin.build),
    ("race_grid", race_grid.build),
)


def tab(page: Page) -> None:
    """Lay the three sections out."""
    with gr.Tabs(elem_id="race_sections", elem_classes="sections"):
        for name, build in SECTIONS:
            with gr.Tab(word(name), elem_id=name):
                build(page)
