"""What a checkpoint says that it was trained on, and what of it lies nearest to a prompt.

`concepts.json` is a list of names. Nearness is the cosine of the text encoder's own embeddings.
"""

from __future__ import annotations

import json

from studio.checkpoints.entry import MAX_JSON, Entry
from studio.checkpoints.similar import Captions
from studio.checkpoints.text import TextEncoder
from studio.errors import BadCheckpoint
from studio.prompting import plain

MAX_CONCEPTS, MAX_NAME = 20_000, 200  # names, and letters in one
KNOWN = 0.5  # cosine to the nearest concept from which a prompt counts as known


class Concepts:
    """The names of a checkpoint; they are embedded when somebody first asks."""

    def __init__(self, entry: Entry, text: TextEncoder) -> None:
        """Raises BadCheckpoint for a `concepts.json` that is no list of names."""
        self._names, self._text = read(entry), text
        self._captions: Captions | None = None

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        """Names and cosines, best first; nothing where the checkpoint has no names."""
        if self._captions is None:
            rows = self._text.embeddings(self._names) if self._names else None
            self._captions = Captions(self._names, rows)
        if not prompt.strip() or self._captions.rows is None:
            return ()
        return self._captions.nearest(self._text.embedding(plain(prompt)), count)

    def known(self, prompt: str) -> bool:
        """Whether any name is near enough to the prompt."""
        nearest = self.nearest(prompt, 1)
        return not nearest or nearest[0][1] >= KNOWN


def read(entry: Entry) -> tuple[str, ...]:
    """What `concepts.json` lists; nothing where there is none. Raises BadCheckpoint."""
    file = entry.folder / "concepts.json"
    if not file.is_file():
        return ()
    try:
        sound = file.stat().st_size <= MAX_JSON
        said = json.loads(file.read_text(encoding="utf-8")) if sound else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or len(said) > MAX_CONCEPTS:
        raise BadCheckpoint(f"{entry.id}/concepts.json is not a list of names.")
    if not all(isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in said):
        raise BadCheckpoint(f"{entry.id}/concepts.json holds something that is not a name.")
    return tuple(said)
