"""How many tokens a prompt has, also before its checkpoint is loaded."""

from __future__ import annotations

import importlib
from typing import Any

from studio.checkpoints.allowed import part_class
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.weighting import MOST_PIECES, count_pieces, count_tokens
from studio.errors import BadRequest, StudioError
from studio.prompting import Tokens

MARKS = 2  # the encoder's own tokens in every reading


def tokens(tokenizer: Any, prompt: str, length: int, pieced: bool, marks: int = MARKS) -> Tokens:
    """Counted by this tokenizer; `pieced` where further readings are made of a long prompt."""
    count, room = count_tokens(tokenizer, prompt), length - marks
    if not pieced:
        return Tokens(count, room, 1, max(0, count - room))
    try:
        return Tokens(count, room, count_pieces(tokenizer, prompt, length), 0)
    except BadRequest:
        return Tokens(count, room, MOST_PIECES, max(1, count - room * MOST_PIECES))


class Counter:
    """A checkpoint's tokenizer alone, from its folder."""

    def __init__(self, entry: Entry) -> None:
        """Raises StudioError where the checkpoint has none that can be read by itself."""
        folder = entry.folder
        for part in ("tokenizer", "text_encoder"):
            if not (folder / part).is_dir():
                raise StudioError(f"{entry.id} has no {part} of its own.")
        index = read_json(folder / "model_index.json")
        name = part_class(entry.id, "tokenizer", index.get("tokenizer"))
        config = read_json(folder / "text_encoder" / "config.json")
        made = getattr(importlib.import_module("transformers"), name)
        self._tokenizer = made.from_pretrained(folder / "tokenizer", local_files_only=True)
        kind = str(config.get("model_type", ""))
        length = min(self._tokenizer.model_max_length, config.get("max_position_embeddings", 77))
        if entry.family == "pixart":
            most = entry.options["tokens"]
            length = most if kind == "t5" else min(length, most)  # T5 has no table of positions
        self._length, self._marks = length, 1 if kind == "t5" else MARKS
        self._pieced = kind.startswith("clip")

    def __call__(self, prompt: str) -> Tokens:
        """The prompt's tokens. Raises BadRequest for a weight that is too large."""
        return tokens(self._tokenizer, prompt, self._length, self._pieced, self._marks)
