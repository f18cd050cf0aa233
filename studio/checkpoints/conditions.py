"""What a row is conditioned on: asked for as plain values, encoded as named tensors.

A family's `encode` turns an Asked into a Condition, its `predict` takes many of them stacked part
by part. What the parts are called and how they are shaped is the family's own affair: rows whose
parts agree in name and shape can share a forward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Condition = Mapping[str, Tensor]  # one row's parts, e.g. {"context": (T, D), "pooled": (D,)}
Conditions = dict[str, Tensor]  # the same of R rows, each part with a first axis more
Residuals = Mapping[str, tuple[Tensor, ...]]  # what controls add to R rows, by place in the network


@dataclass(frozen=True, slots=True)
class Asked:
    """One row as it is asked for; a family reads what it knows and ignores the rest.

    `negative` marks the row that guidance leads away from: without a text or a label it is the
    unconditional one. Sizes are (width, height) and `crop` (left, top) in pixels; (0, 0) stands
    for the checkpoint's own size, `original` and `target` then for `size`.
    """

    text: str = ""
    pieces: int = 1  # how many readings of the encoder's length are made of a long text
    negative: bool = False
    label: int | None = None  # a class; None is the class of no class
    size: tuple[int, int] = (0, 0)  # of the picture to be made
    original: tuple[int, int] = (0, 0)  # SDXL: what the picture is said to have been made from
    crop: tuple[int, int] = (0, 0)  # SDXL: where it is said to have been cut out
    target: tuple[int, int] = (0, 0)  # SDXL: how large it is said to be
    strength: float = 0.0  # of guidance, for a network that takes it as an input
    score: float = 0.0  # SDXL's refiner: how beautiful, from 0 to 10


def stack(rows: Sequence[Condition]) -> Conditions:
    """R rows with equal parts, stacked part by part."""
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def join(groups: Sequence[Conditions]) -> Conditions:
    """Several stacked groups one after the other."""
    if len(groups) == 1:
        return groups[0]
    return {name: torch.cat([group[name] for group in groups]) for name in groups[0]}


def some(conditions: Conditions, rows: slice) -> Conditions:
    """Some of the rows."""
    return {name: values[rows] for name, values in conditions.items()}


def shapes(condition: Condition) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Names and shapes of the parts: rows with equal ones can be stacked."""
    return tuple(sorted((name, tuple(values.shape)) for name, values in condition.items()))
