"""A prompt laid out as an encoder's tokens, and its weights put on the states that come back.

A weight w moves a token's state along the line from what the empty prompt has in its place:
empty + w·(state − empty). So 1 changes nothing, 0 is as if nothing were said there, and nothing
is divided by a mean that might be near zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.errors import BadRequest
from studio.prompting import Piece, pieces

MOST_PIECES = 16


@dataclass(frozen=True, slots=True)
class Laid:
    """One reading of the encoder: ids and mask (T,), and a weight for each token (T,)."""

    ids: Tensor
    mask: Tensor
    weights: Tensor

    @property
    def plain(self) -> bool:
        return bool((self.weights == 1.0).all())


def weigh(states: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """(T, D), (T, D) of the empty prompt, (T,) → (T, D)."""
    return torch.lerp(empty, states, weights.to(states)[:, None])  # exact at 0 and at 1


def lay(tokenizer: Any, prompt: str, length: int) -> Laid:
    """The whole prompt in one reading of `length` tokens; what goes beyond is cut off."""
    letters, weights = _joined(pieces(prompt))
    tokens = tokenizer(
        letters,
        padding="max_length",
        max_length=length,
        truncation=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    each = [_weight(weights, letters, *span) for span in tokens.offset_mapping[0].tolist()]
    return Laid(tokens.input_ids[0], tokens.attention_mask[0], torch.tensor(each))


def lay_pieces(tokenizer: Any, prompt: str, length: int, count: int) -> list[Laid]:
    """`count` readings of the encoder's length, each between its own two marks, as CLIP's are.

    Words fill one after the other, BREAK begins the next; what is left over is empty.
    """
    cut = _cut(tokenizer, prompt, length - 2)
    if count == 1 and len(cut) == 1:
        return [lay(tokenizer, prompt, length)]
    return [_marked(tokenizer, each, length) for each in [*cut, *[[]] * count][:count]]


def count_pieces(tokenizer: Any, prompt: str, length: int) -> int:
    """How many readings the prompt needs, at least one. Raises BadRequest beyond MOST_PIECES."""
    count = len(_cut(tokenizer, prompt, length - 2))
    if count > MOST_PIECES:
        raise BadRequest(
            f"The prompt needs {count} readings of {length - 2} tokens; at most {MOST_PIECES} "
            "are made. Shorten it."
        )
    return count


def count_tokens(tokenizer: Any, prompt: str) -> int:
    """The prompt's own tokens, without the encoder's marks."""
    letters, _ = _joined(pieces(prompt))
    return len(tokenizer(letters, add_special_tokens=False, verbose=False).input_ids)


def _cut(tokenizer: Any, prompt: str, room: int) -> list[list[tuple[int, float]]]:
    """(id, weight) of the tokens of each reading."""
    readings: list[list[tuple[int, float]]] = []
    for piece in pieces(prompt):
        tokens = tokenizer(
            piece.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        weighed = [
            (id, _weight(piece.weights, piece.text, *span))
            for id, span in zip(tokens.input_ids, tokens.offset_mapping, strict=True)
        ]
        readings += [weighed[at : at + room] for at in range(0, max(1, len(weighed)), room)]
    return readings


def _marked(tokenizer: Any, reading: list[tuple[int, float]], length: int) -> Laid:
    rest = length - 2 - len(reading)
    ids = [tokenizer.bos_token_id, *(id for id, _ in reading), tokenizer.eos_token_id]
    weights = [1.0, *(weight for _, weight in reading), 1.0]
    return Laid(
        torch.tensor(ids + [tokenizer.pad_token_id] * rest),
        torch.tensor([1] * len(ids) + [0] * rest),
        torch.tensor(weights + [1.0] * rest),
    )


def _joined(parts: tuple[Piece, ...]) -> tuple[str, tuple[float, ...]]:
    """The pieces with a space between them, for encoders that read once."""
    text, weights = parts[0].text, parts[0].weights
    for part in parts[1:]:
        text, weights = f"{text} {part.text}", (*weights, 1.0, *part.weights)
    return text, weights


def _weight(weights: tuple[float, ...], text: str, start: int, end: int) -> float:
    """A token's: that of its first letter that is no space; 1 for the encoder's marks."""
    for place in range(start, min(end, len(weights))):
        if not text[place].isspace():
            return weights[place]
    return 1.0
