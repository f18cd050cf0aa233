"""Textual inversions: words whose vectors were learned, beside an encoder's own (Gal et al. 2022).

An inversion's word gets tokens that nobody can type: the tokenizer knows them from then on, but
only a request that names the inversion has its word turned into them. The encoder is given
another id in their places, and their vectors after its table of words; so the table stays as it
was, and CLIP's search for the last word's place, which takes the largest id, is not misled.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

OPENS, CLOSES = "\ue000", "\ue001"  # of Unicode's private use


class Inversions:
    """The learned words of one encoder. It belongs to the device's thread."""

    def __init__(self, tokenizer: Any, model: Any, device: str) -> None:
        self._tokenizer, self._device = tokenizer, device
        self.weights: dict[str, float] = {}  # of the inversions that act now
        self._vectors: dict[int, tuple[str, Tensor]] = {}  # token → inversion, (D,)
        self._here: list[tuple[int, Tensor]] = []  # places of the reading at hand
        marks = set(tokenizer.all_special_ids)  # CLIP's unknown is its end of text
        self._instead = next(id for id in range(len(marks) + 1) if id not in marks)
        model.get_input_embeddings().register_forward_hook(self._placed)

    def add(self, id: str, vectors: Tensor) -> None:
        """Learn one: vectors (n, D). Idempotent; another one's vectors replace the first's."""
        from tokenizers import AddedToken

        new = [AddedToken(token, normalized=False) for token in tokens(id, len(vectors))]
        self._tokenizer.add_tokens(new)
        for token, vector in zip(new, vectors, strict=True):
            number = self._tokenizer.convert_tokens_to_ids(token.content)
            self._vectors[number] = (id, vector.to(self._device))

    def ids(self, ids: Tensor) -> Tensor:
        """The ids (T,) that the encoder is given: its own; the others' vectors are kept ready."""
        self._here, out = [], ids
        for place, number in enumerate(ids.tolist()):
            if number in self._vectors:
                out = out.clone() if out is ids else out
                out[place] = self._instead
                id, vector = self._vectors[number]
                self._here.append((place, vector * self.weights.get(id, 0.0)))
        return out

    def _placed(self, module: Any, args: tuple, output: Tensor) -> Tensor | None:
        if not self._here:
            return None
        output = output.clone()
        for place, vector in self._here:
            output[:, place] = vector.to(output.dtype)
        self._here = []
        return output


def tokens(id: str, count: int) -> list[str]:
    """The tokens that stand for an inversion's vectors."""
    return [f"{OPENS}{id}-{k}{CLOSES}" for k in range(count)]


def spelled(prompt: str, trigger: str, id: str, count: int) -> str:
    """The prompt with an inversion's word turned into its tokens."""
    return prompt.replace(trigger, "".join(tokens(id, count)))


def by_part(stored: dict[str, Tensor], vectors: dict[str, str]) -> dict[str, Tensor]:
    """part → vectors (n, D) of an inversion's stored tensors."""
    return {part: torch.atleast_2d(stored[name]) for part, name in vectors.items()}
