"""Which names lie nearest to a prompt: by cosine of embeddings, or by shared words."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

IDLE = frozenset(
    ("a", "an", "the", "of", "in", "on", "at", "with", "and", "or", "to", "is", "icon", "emoji")
) | {"style"}


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """Names (N) and their embeddings (N, D) of length 1; a name may occur several times."""

    names: tuple[str, ...]
    rows: Tensor | None

    def nearest(self, embedding: Tensor, count: int) -> tuple[tuple[str, float], ...]:
        """The best names for an embedding (D,) of length 1, each once, with their cosines."""
        return ranked(self.names, self.rows @ embedding, count)


def ranked(names: tuple[str, ...], scores: Tensor, count: int) -> tuple[tuple[str, float], ...]:
    """The `count` highest scores, each name once, best first; ties in the order given."""
    best: dict[str, float] = {}
    for k in torch.argsort(scores, descending=True, stable=True).tolist():
        best.setdefault(names[k], float(scores[k]))
        if len(best) == count:
            break
    return tuple(best.items())


def overlap(prompt: str, names: tuple[str, ...]) -> Tensor:
    """(N,) in [0, 1]: Dice's coefficient of the two sets of words, articles and the like left out.

    What stands in for embeddings where no text encoder is here: it knows no synonyms.
    """
    asked = words(prompt)
    scores = []
    for name in names:
        has = words(name)
        scores.append(2 * len(asked & has) / max(1, len(asked) + len(has)))
    return torch.tensor(scores)


def words(text: str) -> frozenset[str]:
    """Lower-case words of a text, plural s cut, idle ones left out."""
    found = re.findall(r"[^\W_]+", text.lower())
    return frozenset(w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found) - IDLE
