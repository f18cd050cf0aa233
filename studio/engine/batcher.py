"""Which runs share the next forward, and the forward itself.

A run joins at any step and leaves at any step: rows carry their own time and condition. Nothing
here knows what a run is for, or who watches it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Conditions, join, some
from studio.engine.run import Run
from studio.engine.steering import Guide, Guides, attending, residuals
from studio.errors import OutOfMemory


def choose(runs: Sequence[Run], limit: Callable[[Run], int]) -> list[Run]:
    """The least-served run and those that can share its forward, within its limit of rows.

    Rows are counted at the checkpoint's own size; larger states count for more. The first run
    is taken whatever it needs (its forward is split).
    """
    waiting = sorted(runs, key=lambda run: run.ticket.served)
    group: list[Run] = []
    room = float(limit(waiting[0]))
    for run in waiting:
        cost = run.live * len(run.names()) * weight(run.checkpoint, run.shape)
        if group and (run.signature != group[0].signature or cost > room):
            continue
        group.append(run)
        room -= cost
    return group


def weight(checkpoint: Checkpoint, shape: Sequence[int]) -> float:
    """What a row of this shape takes, in rows of the checkpoint's own size."""
    _, height, width = checkpoint.entry.latent
    return shape[1] * shape[2] / (height * width)


def ask(
    runs: Sequence[Run], limit: int
) -> tuple[list[tuple[Tensor, tuple[str, ...]]] | None, float, int]:
    """One forward for all: per run its raw rows and their names, then seconds and the limit.

    Rows beyond the limit go into further forwards; when all runs are cancelled between them, None
    takes the answers' place. When the device has no room the rows are halved
    until they fit; the limit comes back as it then is. Raises OutOfMemory if one row does not fit.
    """
    checkpoint = runs[0].checkpoint
    names = [run.names() for run in runs]
    inputs = [run.inputs(rows) for run, rows in zip(runs, names, strict=True)]
    alone = len(inputs) == 1
    x = inputs[0][0] if alone else torch.cat([i[0] for i in inputs])
    times = [t for i in inputs for t in i[1]]
    conditions = join([i[2] for i in inputs])
    guides = [g for run, rows in zip(runs, names, strict=True) for g in run.guides(rows)]
    worn = [run.wears.worn for run, i in zip(runs, inputs, strict=True) for _ in i[1]]
    adapted = next((run.wears.adapted for run in runs if run.wears.worn), None)
    norms: dict[Guide, list[float]] = {}
    start = time.perf_counter()
    per = weight(checkpoint, runs[0].shape)
    done: list[Tensor] = []
    at = 0
    while at < len(x):
        if all(run.ticket.cancelled for run in runs):
            return None, time.perf_counter() - start, limit
        size = max(1, int(limit / per))
        part = slice(at, at + size)
        rows = (x[part], times[part], some(conditions, part))
        call = partial(_predict, checkpoint, guides[part], norms, *rows)
        with adapted.wearing(worn[part]) if adapted else nullcontext():
            answer = attempt(call)
        if answer is None:
            if size == 1:
                raise OutOfMemory("The device had no room for one picture; make it smaller.")
            limit = max(1, int(min(size, len(x) - at) // 2 * per))
            continue
        done.append(answer)
        at += len(answer)
    raw = done[0] if len(done) == 1 else torch.cat(done)
    if raw.is_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    for run in runs:
        run.norms = tuple(tuple(norms.get(guide, ())) for guide in run.steered)
    split = raw.split([len(i[1]) for i in inputs])
    return list(zip(split, names, strict=True)), seconds, limit


def _predict(
    checkpoint: Checkpoint,
    guides: Sequence[Guides],
    norms: dict[Guide, list[float]],
    x: Tensor,
    times: Sequence[float],
    conditions: Conditions,
) -> Tensor:
    """Raw rows, steered where a control acts; `norms` gets what each control added."""
    if not any(guides):
        return checkpoint.predict(x, times, conditions)
    added, found = residuals(guides, x, times, conditions, checkpoint)
    norms |= found
    steered: Any = checkpoint  # of a family that control networks exist for
    with attending(guides, checkpoint, norms):
        return steered.predict(x, times, conditions, added)


def attempt(call: Callable[[], Tensor]) -> Tensor | None:
    """The call's answer, or None when the device had no room; nothing is kept of the attempt."""
    try:
        return call()
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
    gc.collect()  # outside the except block, which would keep the failed call's tensors alive
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the device, or this computer, had no room."""
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(w in text for w in words)
