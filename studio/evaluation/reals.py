"""The real pictures that made ones are compared with: the gallery of all training pictures, and
those that no training saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy as np

from studio.evaluation.spaces import Described, Space
from studio.metrics import copies
from studio.training import subset
from studio.training.dataset import IconData

BATCH = 256


@dataclass(frozen=True, slots=True)
class Reals:
    """`gallery` and `small` are row for row of `rows`, the training pictures; `held_gallery` of
    `held`.
    """

    data: IconData
    rows: tuple[int, ...]
    held: tuple[int, ...]
    gallery: Described
    held_gallery: Described
    small: np.ndarray  # what `copies.small` makes of the training pictures

    def concepts(self, rows: Sequence[int]) -> list[str]:
        return [self.data.records[row].concept for row in rows]

    def of(self, taught: Sequence[str]) -> list[int]:
        """Places in the gallery of these concepts' pictures."""
        wanted = set(taught)
        return [i for i, row in enumerate(self.rows) if self.data.records[row].concept in wanted]


def reals(data: IconData, space: Space, folder: Path) -> Reals:
    """Described once; kept in `folder` for the next time."""
    rows, held = gallery_rows(data, space.most), [i for i, r in enumerate(data.records) if r.held]
    said = repr([(r.set, r.icon, r.held) for r in data.records])
    key = f"{said}/{space.key}" + (f"/{space.most}" if space.most else "")
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    file = folder / f"real-{name}.npz"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        parts = [np.ascontiguousarray(data.pixels[row]) for row in rows]
        made = _named("train", described(space, parts)) | {"small": copies.small(parts)}
        kept = [np.ascontiguousarray(data.pixels[row]) for row in held]
        made |= _named("held", described(space, kept))
        partial = file.with_suffix(".partial.npz")
        np.savez(partial, **made)
        partial.replace(file)
    with np.load(file) as kept_file:
        found = dict(kept_file)
    gallery, other = (
        Described(*(found[f"{of}_{part}"] for part in PARTS)) for of in ("train", "held")
    )
    return Reals(data, tuple(rows), tuple(held), gallery, other, found["small"])


def gallery_rows(data: IconData, most: int = 0) -> list[int]:
    """Every training picture; of at most `most` those that the shipped generators trained on, and
    others evenly among the rest.
    """
    rows = data.train_rows()
    if not most or len(rows) <= most:
        return rows
    kept = set(subset.choose(data)[0])
    rest = [row for row in rows if row not in kept]
    return sorted([*kept, *rest[:: -(-len(rest) // max(most - len(kept), 1))]])


def described(space: Space, pictures: Sequence[np.ndarray]) -> Described:
    """The same as `space.describe`, a batch at a time."""
    parts = [space.describe(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
    return Described(*(np.concatenate([getattr(p, name) for p in parts]) for name in PARTS))


def hits(
    made: Described, asked: Sequence[str], gallery: Described, names: Sequence[str], first: int
) -> list[bool]:
    """Whether the concept asked for is among the `first` nearest pictures of the gallery."""
    near = unit(made.features) @ unit(gallery.features).T
    shown = np.argpartition(-near, min(first, near.shape[1] - 1), axis=1)[:, :first]
    labels = np.asarray(names)
    return [bool((labels[row] == want).any()) for row, want in zip(shown, asked, strict=True)]


def chance(asked: Sequence[str], names: Sequence[str], first: int) -> float:
    """The share that random pictures of the gallery would hit."""
    total, found = len(names), []
    for concept in asked:
        own = sum(name == concept for name in names)
        found.append(1 - comb(total - own, first) / comb(total, first))
    return float(np.mean(found))


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)


def _named(of: str, found: Described) -> dict[str, np.ndarray]:
    return {f"{of}_{part}": getattr(found, part).astype(np.float32) for part in PARTS}


PARTS = ("features", "spatial", "probabilities")
