"""Controls at work: which rows of a forward each one steers, and what is added to the blocks.

Rows of any runs share a control's forward; a control runs only on rows whose step lies within its
start and end. Rows that no control steers get zeros where others get residuals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Conditions, Residuals
from studio.contract import Request
from studio.controls import Control
from studio.engine.hints import shown
from studio.engine.looks import Looks
from studio.imaging.tensors import from_rgb


@dataclass(eq=False, frozen=True, slots=True)
class Guide:
    """One control of one run: its network, and the hint that it is shown, (1, …) each."""

    control: Control
    network: Any  # of families.controlnet
    hint: tuple[Tensor, ...]


Guides = tuple[Guide, ...]  # of one row


def guides(
    request: Request,
    pictures: Mapping[str, bytes],
    base: Checkpoint,
    networks: Mapping[str, Any],
    looks: Looks | None = None,
) -> Guides:
    """A run's controls with their hints; `networks` by the control's id."""
    made = []
    for control in request.controls:
        rgb = shown(control, pictures[control.image], request.width, request.height, looks)
        network = networks[control.model]
        hint = network.hint(from_rgb(rgb[None]).to(base.device), base)
        made.append(Guide(control, network, hint))
    return tuple(made)


def active(guides: Guides, names: Sequence[str], live: int, step: int, steps: int) -> list[Guides]:
    """For each row of a run's question, the guides that steer it."""
    acting = tuple(g for g in guides if g.control.active(step, steps))
    free = tuple(g for g in acting if not g.control.guess)
    return [acting if name == "cond" else free for name in names for _ in range(live)]


def residuals(
    rows: Sequence[Guides],
    x: Tensor,
    times: Sequence[float],
    conditions: Conditions,
    base: Checkpoint,
) -> tuple[Residuals | None, dict[Guide, list[float]]]:
    """What is added at each place for R rows, None where no row is steered, and its RMS a guide."""
    total: dict[str, tuple[Tensor, ...]] = {}
    norms: dict[Guide, list[float]] = {}
    for network in {id(g.network): g.network for row in rows for g in row}.values():
        steered = [(k, g) for k, row in enumerate(rows) for g in row if g.network is network]
        index = torch.tensor([k for k, _ in steered], device=x.device)
        hints = tuple(map(torch.cat, zip(*[g.hint for _, g in steered], strict=True)))
        part = {name: values[index] for name, values in conditions.items()}
        made = network.residuals(x[index], [times[k] for k, _ in steered], part, hints, base)
        found: list[list[float]] = [[] for _ in steered]
        for place, blocks in made.items():
            if place not in total:
                total[place] = tuple(b.new_zeros(len(x), *b.shape[1:]) for b in blocks)
            scales = torch.stack([_scales(g.control, len(blocks)) for _, g in steered])  # (K, n)
            for sums, block, scale in zip(total[place], blocks, scales.T, strict=True):
                added = block * scale.to(block).view(-1, *[1] * (block.dim() - 1))
                sums.index_add_(0, index, added)
                _gather(found, added)
        for (_, guide), each in zip(steered, found, strict=True):
            norms[guide] = each  # of its last row
    return total or None, norms


def _gather(found: Iterable[list[float]], added: Tensor) -> None:
    """Put each row's RMS of what was added to a block at the end of the row's list."""
    for each, row in zip(found, added, strict=True):
        each.append(float(row.square().mean().sqrt()))


def _scales(control: Control, blocks: int) -> Tensor:
    """(blocks,): the same for each, or in guess mode rising from 0.1 to 1 (as the paper's authors
    have it)."""
    even = torch.ones(blocks) if not control.guess else torch.logspace(-1, 0, blocks)
    return control.scale * even
