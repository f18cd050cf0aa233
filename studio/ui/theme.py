"""The studio's own theme: paper and ink with one signal colour, in light and dark.

Gradio's variables are set here; everything that is ours alone is in static/css. The fonts are
served by the studio itself, so the page asks no other host for anything.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes.utils import colors, sizes

STATIC = Path(__file__).parent / "static"
ASSETS = Path(__file__).resolve().parents[2] / "assets"
STYLES = tuple(
    STATIC / "css" / f"{name}.css"
    for name in (
        "fonts", "shell", "form", "stage", "noise", "help", "race", "twin", "grid", "control",
        "models", "start",
    )
)

SIGNAL = colors.Color(
    "#fff4ee", "#ffe4d6", "#ffc7ab", "#ffa178", "#f97d4b", "#e8572a", "#cf431a",
    "#ab3515", "#862b14", "#5f2112", "#371109", name="signal",
)  # fmt: skip
PAPER = colors.Color(
    "#fbfbf9", "#f4f4f1", "#e6e6e1", "#d3d3cc", "#a5a59d", "#77776f", "#57574f",
    "#3f3f3a", "#262725", "#191a19", "#101110", name="paper",
)  # fmt: skip

_RADIUS = sizes.Size("2px", "2px", "3px", "3px", "4px", "4px", "5px", name="radius_instrument")
_TEXT = sizes.Size("10px", "11px", "12px", "13px", "15px", "18px", "23px", name="text_instrument")
_SPACING = sizes.Size("1px", "2px", "4px", "6px", "8px", "10px", "14px", name="spacing_instrument")


def theme() -> gr.themes.Base:
    """One theme for every tab."""
    made = gr.themes.Base(
        primary_hue=SIGNAL,
        secondary_hue=PAPER,
        neutral_hue=PAPER,
        spacing_size=_SPACING,
        radius_size=_RADIUS,
        text_size=_TEXT,
        font=("Inter Studio", "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", "sans-serif"),
        font_mono=("JetBrains Mono Studio", "ui-monospace", "monospace"),
    )
    made.name = "instrument"
    return made.set(**_surfaces(), **_inputs(), **_buttons())


def _surfaces() -> dict[str, str]:
    ink, ink_dark = "#1b1c1a", "#e9e9e4"
    return {
        "body_background_fill": "#f6f6f3",
        "body_background_fill_dark": "#111211",
        "body_text_color": ink,
        "body_text_color_dark": ink_dark,
        "body_text_color_subdued": "#6c6d66",
        "body_text_color_subdued_dark": "#989990",
        "background_fill_primary": "#ffffff",
        "background_fill_primary_dark": "#1a1b1a",
        "background_fill_secondary": "#f0f0ec",
        "background_fill_secondary_dark": "#222322",
        "border_color_primary": "#dcdcd5",
        "border_color_primary_dark": "#30322f",
        "border_color_accent": "#e8572a",
        "color_accent": "#e8572a",
        "color_accent_soft": "#fff4ee",
        "color_accent_soft_dark": "#2a1a13",
        "link_text_color": "#ab3515",
        "link_text_color_dark": "#ffa178",
        "block_background_fill": "transparent",
        "block_background_fill_dark": "transparent",
        "block_border_width": "0px",
        "block_shadow": "none",
        "block_padding": "0px",
        "block_radius": "0px",
        "block_label_background_fill": "transparent",
        "block_label_background_fill_dark": "transparent",
        "block_label_text_color": ink,
        "block_label_text_color_dark": ink_dark,
        "block_title_text_color": ink,
        "block_title_text_color_dark": ink_dark,
        "block_title_text_size": "12px",
        "block_title_text_weight": "560",
        "block_info_text_color": "*body_text_color_subdued",
        "block_info_text_color_dark": "*body_text_color_subdued",
        "block_info_text_size": "11px",
        "panel_background_fill": "transparent",
        "panel_background_fill_dark": "transparent",
        "panel_border_width": "0px",
        "layout_gap": "14px",
        "form_gap_width": "0px",
        "shadow_drop": "none",
        "shadow_drop_lg": "none",
        "accordion_text_color": "*body_text_color",
        "accordion_text_color_dark": "*body_text_color",
    }


def _inputs() -> dict[str, str]:
    return {
        "input_background_fill": "#ffffff",
        "input_background_fill_dark": "#191a19",
        "input_background_fill_focus": "#ffffff",
        "input_background_fill_focus_dark": "#191a19",
        "input_border_color": "#d6d6cf",
        "input_border_color_dark": "#353734",
        "input_border_color_focus": "#57574f",
        "input_border_color_focus_dark": "#a5a59d",
        "input_border_width": "1px",
        "input_shadow": "none",
        "input_shadow_focus": "0 0 0 2px rgb(232 87 42 / 0.22)",
        "input_padding": "6px 9px",
        "input_radius": "3px",
        "input_text_size": "13px",
        "input_placeholder_color": "#a5a59d",
        "input_placeholder_color_dark": "#6b6c65",
        "slider_color": "*body_text_color",
        "slider_color_dark": "*body_text_color",
        "checkbox_background_color": "#ffffff",
        "checkbox_background_color_dark": "#191a19",
        "checkbox_background_color_selected": "#1b1c1a",
        "checkbox_background_color_selected_dark": "#e8572a",
        "checkbox_border_color_selected": "#1b1c1a",
        "checkbox_border_color_selected_dark": "#e8572a",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_dark": "transparent",
        "checkbox_label_background_fill_hover": "*background_fill_secondary",
        "checkbox_label_background_fill_hover_dark": "*background_fill_secondary",
        "checkbox_label_background_fill_selected": "*background_fill_primary",
        "checkbox_label_background_fill_selected_dark": "*background_fill_secondary",
        "checkbox_label_text_color_selected": "*body_text_color",
        "checkbox_label_text_color_selected_dark": "*body_text_color",
        "checkbox_label_border_width": "1px",
        "checkbox_label_border_color": "*border_color_primary",
        "checkbox_label_border_color_dark": "*border_color_primary",
        "checkbox_label_padding": "4px 9px",
        "checkbox_label_gap": "4px",
        "checkbox_label_shadow": "none",
        "checkbox_label_text_size": "12px",
    }


def _buttons() -> dict[str, str]:
    return {
        "button_border_width": "1px",
        "button_transition": "background-color 0.12s ease, border-color 0.12s ease",
        "button_large_padding": "9px 14px",
        "button_large_radius": "3px",
        "button_large_text_size": "14px",
        "button_large_text_weight": "560",
        "button_medium_padding": "7px 11px",
        "button_medium_radius": "3px",
        "button_medium_text_size": "12px",
        "button_medium_text_weight": "500",
        "button_small_padding": "5px 9px",
        "button_small_radius": "3px",
        "button_small_text_size": "12px",
        "button_small_text_weight": "500",
        "button_primary_background_fill": "#1b1c1a",
        "button_primary_background_fill_dark": "#e9e9e4",
        "button_primary_background_fill_hover": "#e8572a",
        "button_primary_background_fill_hover_dark": "#f97d4b",
        "button_primary_border_color": "transparent",
        "button_primary_border_color_dark": "transparent",
        "button_primary_text_color": "#ffffff",
        "button_primary_text_color_dark": "#111211",
        "button_primary_shadow": "none",
        "button_secondary_background_fill": "transparent",
        "button_secondary_background_fill_dark": "transparent",
        "button_secondary_background_fill_hover": "*background_fill_secondary",
        "button_secondary_background_fill_hover_dark": "*background_fill_secondary",
        "button_secondary_border_color": "#c9c9c1",
        "button_secondary_border_color_dark": "#454743",
        "button_secondary_text_color": "*body_text_color",
        "button_secondary_text_color_dark": "*body_text_color",
        "button_secondary_shadow": "none",
    }
