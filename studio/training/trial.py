"""One short training of a comparison: a constant rate, the average of the weights measured on the
way, processor time counted. Knows nothing of what is compared.

The rate is constant so that every point of a curve is what a run of that length would have given.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from studio.training import loop, muon
from studio.training.fit import Average


@dataclass(frozen=True, slots=True)
class Length:
    """How long and how; the same for every network that is compared."""

    steps: int
    rate: float = 1e-3
    warm: int = 50
    ema: float = 0.999
    points: int = 10  # measurements on the way, evenly spaced; the last is at the end
    log_s: float = 20.0
    save_s: float = 60.0


def place(folder: Path, name: str) -> Path:
    """Where the trial of this name keeps its unfinished work."""
    return folder / name.lower().replace(",", "").replace(" ", "-")


class Record:
    """What a trial keeps beside its weights: seconds of processor time spent on steps, and the
    curve of (step, measured).
    """

    def __init__(self):
        self.seconds, self.curve = 0.0, []

    def state_dict(self) -> dict:
        return {"seconds": self.seconds, "curve": self.curve}

    def load_state_dict(self, state: dict) -> None:
        self.seconds, self.curve = state["seconds"], [tuple(point) for point in state["curve"]]


def run(
    model: nn.Module,
    shown: nn.Module,
    draw: Callable[[int], tuple[torch.Tensor, ...]],
    loss: Callable[..., torch.Tensor],
    folder: Path,
    length: Length,
    measure: Callable[[nn.Module], float] | None = None,
    *,
    optimisers: Sequence[torch.optim.Optimizer] = (),
    averages: Sequence[Average] = (),
) -> Record:
    """Train `model` on `loss(model, *draw(n))`; afterwards `shown` has the averaged weights.

    `optimisers`: in place of AdamW, each with its own rate. `averages`: more of them, brought up to
    date with the one that is shown. Unfinished work lies in `folder` and is resumed, to the same
    weights.
    """
    average, record = Average(model, length.ema), Record()
    optimisers = optimisers or [
        torch.optim.AdamW(model.parameters(), lr=length.rate, betas=(0.9, 0.99), weight_decay=0.0)
    ]
    marks = {math.ceil(length.steps * (k + 1) / length.points) for k in range(length.points)}
    shown.eval().requires_grad_(False)

    def step(n: int) -> tuple[float, int]:
        began, batch = time.process_time(), draw(n)
        muon.set_rates(optimisers, min(1.0, (n + 1) / length.warm))
        value = loss(model, *batch)
        model.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        for kept in (average, *averages):
            kept.update(model)
        record.seconds += time.process_time() - began
        if measure is not None and n + 1 in marks:
            shown.load_state_dict(average.weights)
            record.curve.append((n + 1, measure(shown)))
        return value.item(), len(batch[0])

    parts = {"model": model, "average": average, "record": record}
    parts |= {f"optimiser{i or ''}": o for i, o in enumerate(optimisers)}
    parts |= {f"average{i}": kept for i, kept in enumerate(averages, 1)}
    loop.train(folder, parts, step, loop.Pace(length.steps, length.log_s, length.save_s))
    shown.load_state_dict(average.weights)
    return record
