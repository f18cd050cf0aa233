"""What comes with the studio for prompts: lists of words for wildcards, and styles.

Both are JSON beside the pictures and fonts, and anybody's to extend: `lists.json` maps a name to
words, `styles.json` holds templates around {prompt} with what they steer away from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "prompts"
HOLE = "{prompt}"


@dataclass(frozen=True, slots=True)
class Style:
    """A way to draw: `prompt` has {prompt} in it once, `negative` is added to the other row."""

    id: str
    prompt: str
    negative: str = ""

    def worn(self, prompt: str) -> str | None:
        """What is inside the style, where the prompt wears it; else None."""
        before, after = self.prompt.split(HOLE)
        if len(prompt) < len(before) + len(after):
            return None
        if not (prompt.startswith(before) and prompt.endswith(after)):
            return None
        return prompt[len(before) : len(prompt) - len(after)]


@cache
def word_lists(folder: Path = FOLDER) -> dict[str, tuple[str, ...]]:
    """Name → words, for `__name__`; none where the file is missing."""
    file = folder / "lists.json"
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return {name: tuple(words) for name, words in said.items()}


@cache
def styles(folder: Path = FOLDER) -> tuple[Style, ...]:
    """The styles in their order; none where the file is missing."""
    file = folder / "styles.json"
    said = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return tuple(Style(**each) for each in said)


def toggled(prompt: str, negative: str, style: Style) -> tuple[str, str]:
    """Prompt and negative prompt with the style put on, or taken off where it is worn."""
    inside = style.worn(prompt)
    theirs = [part.strip() for part in style.negative.split(",") if part.strip()]
    own = [part.strip() for part in negative.split(",") if part.strip()]
    if inside is not None:
        return inside, ", ".join(part for part in own if part not in theirs)
    for other in styles():
        inside = other.worn(prompt)
        if other.id != style.id and inside is not None:
            return toggled(*toggled(prompt, negative, other), style)
    added = [part for part in theirs if part not in own]
    return style.prompt.replace(HOLE, prompt), ", ".join([*own, *added])
