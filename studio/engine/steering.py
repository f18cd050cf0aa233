"""Controls at work: which rows of a forward each one steers, and what is added to the blocks.

Rows of any runs share a control's forward; a control runs only on rows whose step lies within its
start and end. Rows that no control steers get zeros where others get residuals. Pictures that are
prompts have no forward of their own: the base's cross-attentions attend to them as it answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Conditions, Residuals
from studio.checkpoints.families.image_prompt import ImagePrompt, attentions
from studio.contract import Request
from studio.controls import Control
from studio.engine.hints import seen
from studio.engine.looks import Looks
from studio.imaging.tensors import from_rgb


@dataclass(eq=False, frozen=True, slots=True)
class Guide:
    """One control of one run: its network, and the hint that it is shown, (1, …) each.

    `away` is what it shows to the row that guidance leads away from, where that is another.
    """

    control: Control
    network: Any  # of families.controlnet
    hint: tuple[Tensor, ...]
    away: Guide | None = None


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
        network = networks[control.model]
        picture = pictures[control.image]
        rgb = seen(network.entry, control, picture, request.width, request.height, looks)
        hint = network.hint(from_rgb(rgb[None]).to(base.device), base)
        prompts = isinstance(network, ImagePrompt)
        away = Guide(control, network, network.away()) if prompts else None
        made.append(Guide(control, network, hint, away))
    return tuple(made)


def active(guides: Guides, names: Sequence[str], live: int, step: int, steps: int) -> list[Guides]:
    """For each row of a run's question, the guides that steer it."""
    acting = tuple(g for g in guides if g.control.active(step, steps))
    free = tuple(g.away or g for g in acting if not g.control.guess)
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
    for network in _networks(rows):
        if isinstance(network, ImagePrompt):
            continue
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


@contextmanager
def attending(
    rows: Sequence[Guides], base: Checkpoint, norms: dict[Guide, list[float]]
) -> Iterator[None]:
    """While this lasts, the base's cross-attentions add what each of R rows' pictures answer.

    The base's own attention stays as it is: its queries are overheard, and its way out gets the
    sum. `norms` gets the RMS of what each guide added to each cross-attention.
    """
    groups = [_group(rows, n, base) for n in _networks(rows) if isinstance(n, ImagePrompt)]
    unet: Any = base
    hooks = []
    try:
        for place, attention in enumerate(attentions(unet.unet) if groups else ()):
            hooks += _overhear(attention, place, groups)
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for group in groups:
        found = torch.stack(group.rms, dim=1).tolist()  # (K, cross-attentions)
        norms.update(zip(group.guides, found, strict=True))


@dataclass(eq=False, frozen=True, slots=True)
class _Group:
    """The K rows of a forward that pictures prompt through one network."""

    network: ImagePrompt
    guides: tuple[Guide, ...]
    index: Tensor  # (K,)
    tokens: Tensor  # (K, T, D)
    scales: Tensor  # (K, 1, 1)
    rms: list[Tensor]  # (K,) of each cross-attention


def _group(rows: Sequence[Guides], network: ImagePrompt, base: Checkpoint) -> _Group:
    steered = [(k, g) for k, row in enumerate(rows) for g in row if g.network is network]
    return _Group(
        network,
        tuple(g for _, g in steered),
        torch.tensor([k for k, _ in steered], device=base.device),
        torch.cat([g.hint[0] for _, g in steered]),
        torch.tensor([g.control.scale for _, g in steered], device=base.device).view(-1, 1, 1),
        [],
    )


def _overhear(attention: Any, place: int, groups: Sequence[_Group]) -> list[Any]:
    """Hooks on one cross-attention: one keeps its queries, one adds to what it sends out."""
    queries: list[Tensor] = []

    def keep(module: Any, inputs: tuple, query: Tensor) -> None:
        queries[:] = [query]

    def add(module: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (query,), out = queries, inputs[0]
        for group in groups:
            made = group.network.attend(place, query[group.index], attention.heads, group.tokens)
            made = made * group.scales.to(made)
            group.rms.append(made.float().square().mean((1, 2)).sqrt())
            out = out.index_add(0, group.index, made.to(out))
        queries.clear()
        return (out, *inputs[1:])

    way_out = attention.to_out[0]
    return [
        attention.to_q.register_forward_hook(keep),
        way_out.register_forward_pre_hook(add),
    ]


def _networks(rows: Sequence[Guides]) -> list[Any]:
    """The networks that act in these rows, once each."""
    return list({id(g.network): g.network for row in rows for g in row}.values())


def _gather(found: Iterable[list[float]], added: Tensor) -> None:
    """Put each row's RMS of what was added to a block at the end of the row's list."""
    for each, row in zip(found, added, strict=True):
        each.append(float(row.square().mean().sqrt()))


def _scales(control: Control, blocks: int) -> Tensor:
    """(blocks,): the same for each, or in guess mode rising from 0.1 to 1 (as the paper's authors
    have it)."""
    even = torch.ones(blocks) if not control.guess else torch.logspace(-1, 0, blocks)
    return control.scale * even
