"""The methods' pages as help in the tabs: docs/methods.md, a section at a time, folded away.

The sections travel with the catalogue, in each language, and the page's script puts the one that
is asked for into a Markdown, where Gradio's own KaTeX sets its equations; no handler runs for it.
Without the file there is no help and everything else stays.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import gradio as gr

from studio.ui import words

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = {"en": "methods.md", "zh-CN": "methods.zh-CN.md"}
SYMBOLS = "symbols"  # the section that says what the letters mean; it stands under every other
DELIMITERS = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "$", "right": "$", "display": False},
]
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_BESIDE = re.compile(r"^(\$\$.+?),? \\qquad (.+\$\$)$", re.MULTILINE)  # two equations in a row
_CHINESE_END = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[^\n])")
_QUIET = {"show_progress": "hidden", "api_visibility": "private"}


@cache
def sections(language: str, docs: Path = DOCS) -> dict[str, str]:
    """Name of a section (`ddim`, `the_forward_process`) → its Markdown; {} without the file.

    A heading may give its translation after a middle dot: `## Schedules · 噪声表`.
    """
    try:
        text = (docs / FILES[language]).read_text(encoding="utf-8")
    except OSError:
        return {}
    found, headings = {}, list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        if heading[1] == "##":
            found[named(heading[2])] = text[heading.end() : end].strip()
    return found


def named(heading: str) -> str:
    """A section's name: its heading's English words in lower case, joined by underscores."""
    return re.sub(r"\W+", "_", heading.split(" · ")[0].strip().lower())


def pages() -> dict[str, dict[str, str]]:
    """Language → `methods_<section>` → what a fold shows of it: the section, then the symbols."""
    return {language: _page(sections(language)) for language in FILES}


def _page(found: dict[str, str]) -> dict[str, str]:
    symbols = found.get(SYMBOLS, "")
    return {
        f"methods_{name}": _narrow(f"{text}\n\n---\n\n{symbols}" if "$" in text else text)
        for name, text in found.items()
        if name != SYMBOLS
    }


def _narrow(text: str) -> str:
    """For a narrow column: one equation a line, and no blank where a line of Chinese ends."""
    while (apart := _BESIDE.sub(r"\1$$\n\n$$\2", text)) != text:
        text = apart
    return _CHINESE_END.sub("", text)


def fold(label: str, section: str | gr.Radio) -> None:
    """A fold with one section, or with that of the choice which a radio holds.

    `label` is a key of the catalogue. The text is put there when the fold is opened, and again
    whenever the radio changes, by a person or by a handler.
    """
    if not sections("en"):
        return
    with gr.Accordion(
        words.word(label), open=False, elem_id=label, elem_classes="help"
    ) as accordion:
        text = gr.Markdown(
            "", latex_delimiters=DELIMITERS, elem_id=f"{label}_text", elem_classes="help-text"
        )
    if isinstance(section, str):
        script = f"() => window.xt.help({json.dumps(section)})"
        accordion.expand(None, None, text, js=script, **_QUIET)
        return
    script = "(chosen) => window.xt.help(chosen)"
    accordion.expand(None, section, text, js=script, **_QUIET)
    section.change(None, section, text, js=script, **_QUIET)
