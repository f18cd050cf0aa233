"""Every string of the page, in English and Chinese, and the way from an error to its words.

It is some JSON files in each language, with the same keys; a new one is found. Labels are
translated by Gradio's own I18n; what the page's script writes is looked up there by the same keys,
so a message travels as a key with its arguments. A StudioError and an engine's note travel
likewise: the English sentence is recognised by the catalogue's template for it, and one that none
fits is shown as it is.

What an engine says in fixed phrases (a sampler's hint, what it is doing) is translated by the
phrase itself, from `engine.zh-CN.json`; a phrase that is not there stays English.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

LANGUAGES = ("en", "zh-CN")
_FOLDER = Path(__file__).parent / "catalogue"
_HOLE = re.compile(r"\{(\w+)\}")

# What the recipe's own sentences call a field, and the catalogue's key for it.
_NAMES = {
    "seed": "name_seed",
    "number of steps": "name_steps",
    "number of pictures": "name_count",
    "width": "name_width",
    "height": "name_height",
    "prompt": "name_prompt",
    "negative prompt": "name_negative",
    "guidance scale": "name_scale",
    "guidance rescale": "name_rescale",
    "guidance interval": "name_interval",
    "η (eta)": "name_eta",
    "number of guided channels": "name_channels",
    "number of training steps T": "name_noise_T",
    "number of seeds": "name_noise_seeds",
    "flow shift": "name_noise_shift",
    "picture's side": "name_side",
    "time t": "name_time",
    "reference's evaluations": "name_race_reference",
    "model": "name_model",
    "sampler": "name_sampler",
    "number of particles": "name_particles",
    "number of evaluations": "name_evaluations",
    "class": "name_class",
    "spacing": "name_spacing",
    "words": "name_words",
    "template": "name_template",
    "style": "name_style",
    "control scale": "name_control",
    "control's scale": "name_control_scale",
    "control's start": "name_control_start",
    "control's end": "name_control_end",
    "preprocessor's setting": "name_control_setting",
    "size": "name_size",
    "strength": "name_strength",
    "framing's original": "name_framing_original",
    "framing's crop": "name_framing_crop",
    "framing's target": "name_framing_target",
    "aesthetic score": "name_score",
    "negative aesthetic score": "name_negative_score",
    "hand-over": "name_handover",
}


@cache
def catalogue(language: str) -> dict[str, str]:
    """Key → string of one of LANGUAGES."""
    paths = sorted(set(_FOLDER.glob(f"*{language}.json")) - set(_FOLDER.glob("engine.*")))
    read = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {key: text for part in read for key, text in part.items()}


def translations(more: dict[str, dict[str, str]] | None = None) -> gr.I18n:
    """The whole catalogue for `launch(i18n=...)`; the browser's language chooses.

    `more` is further strings by language, that only the page's script looks up.
    Gradio knows two kinds of Chinese and matches them exactly; we write one, which both can read.
    """
    phrases = json.loads((_FOLDER / "engine.zh-CN.json").read_text(encoding="utf-8"))
    more = more or {}
    chinese = {**phrases, **catalogue("zh-CN"), **more.get("zh-CN", {})}
    english = {**catalogue("en"), **more.get("en", {})}
    return gr.I18n(en=english, **{"zh-CN": chinese, "zh-TW": chinese})


def word(key: str) -> Any:
    """A string for a component's label, info, placeholder or text; KeyError if it is in no file."""
    catalogue("en")[key]
    return gr.I18n()(key)


def message(key: str, tone: str = "note", **arguments: Any) -> dict:
    """A line for the message area; an argument that is itself {"key": …} is translated too."""
    catalogue("en")[key]
    return {"tone": tone, "key": key, "arguments": arguments, "text": ""}


def from_sentence(sentence: str) -> dict:
    """The message for an English sentence: by key where the catalogue has its template."""
    for key, pattern in _patterns():
        found = pattern.fullmatch(sentence)
        if not found:
            continue
        arguments = {name: _argument(name, text) for name, text in found.groupdict().items()}
        return {"tone": "error", "key": key, "arguments": arguments, "text": sentence}
    return {"tone": "error", "key": "", "arguments": {}, "text": sentence}


def _argument(name: str, text: str) -> Any:
    if name == "name" and text in _NAMES:
        return {"key": _NAMES[text], "arguments": {}}
    if name == "why":
        return from_sentence(text)
    return text


@cache
def _patterns() -> tuple[tuple[str, re.Pattern], ...]:
    """The sentences' English templates as patterns, the most literal ones first."""
    errors = [(k, v) for k, v in catalogue("en").items() if k.startswith(("err_", "said_"))]
    errors.sort(key=lambda pair: -len(_HOLE.sub("", pair[1])))
    return tuple((key, _pattern(template)) for key, template in errors)


def _pattern(template: str) -> re.Pattern:
    pieces = _HOLE.split(template)  # text, hole, text, hole, …, text
    parts = [
        f"(?P<{piece}>.+?)" if place % 2 else re.escape(piece) for place, piece in enumerate(pieces)
    ]
    return re.compile("".join(parts), re.DOTALL)
