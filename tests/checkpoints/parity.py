"""A run of the studio's and the same run of diffusers' own pipeline: final states side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import torch

from studio.checkpoints.catalog import scan
from studio.contract import Request, View
from studio.diffusion.path import Path as Way
from studio.diffusion.spacing import levels
from studio.engine import batcher, offers
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import rows
from studio.engine.run import Run
from studio.engine.steering import guides
from studio.engine.ticket import Ticket
from studio.settings import Settings

TOLERANCE = 1e-4


class Studio:
    """The checkpoints of a folder, and runs on them through the batcher."""

    def __init__(self, models: Path, pictures: Mapping[str, bytes] | None = None) -> None:
        """`pictures` as PNG by their ids, for controls."""
        self.catalog, self.pictures = scan(models), pictures or {}
        self.residents = Residents(Settings(models=models), self.catalog, "cpu")

    def checkpoint(self, id: str):
        return self.residents.get(id, lambda doing, share: None)

    def run(self, **recipe) -> Run:
        asked = offers.resolve(Request(**recipe), self.catalog)
        ticket = Ticket(asked, View(preview="off"))
        ticket.recording = Shelf(2**24).new()
        checkpoint = self.checkpoint(asked.model)
        given = {
            name: self.residents.condition(checkpoint, row) for name, row in rows(asked).items()
        }
        networks = {c.model: self.residents.control(c.model) for c in asked.controls}
        steered = guides(asked, self.pictures, checkpoint, networks)
        painter = self.residents.painter(asked.model)
        return Run(ticket, checkpoint, painter, given, steered=steered)

    def alone(self, **recipe) -> torch.Tensor:
        return self.together([(0, recipe)])[0]

    def together(self, arrivals) -> list[torch.Tensor]:
        """Final states of runs that arrive at given turns, as [(turn, recipe)]."""
        waiting, going, states = dict(enumerate(arrivals)), {}, {}
        for turn in itertools.count():
            for k in [k for k, (when, _) in waiting.items() if when <= turn]:
                going[k] = self.run(**waiting.pop(k)[1])
            if not waiting and not going:
                return [states[k] for k in range(len(arrivals))]
            group = batcher.choose(list(going.values()), lambda run: 32)
            answers, _, _ = batcher.ask(group, 32)
            for run, (raw, names) in zip(group, answers, strict=True):
                run.ticket.served += len(raw)
                run.take(raw, names, 1.0, len(group) - 1)
            for k in [k for k, run in going.items() if run.ask is None]:
                states[k] = going.pop(k).state


def visiting(kind, way: Way, steps: int, spacing: str, **config):
    """A scheduler of diffusers' that visits the studio's levels, and keeps its last state."""
    places = levels(way, steps, spacing)

    class Visiting(kind):
        last = None

        def set_timesteps(self, num_inference_steps=None, device=None, sigmas=None, mu=None):
            super().set_timesteps(steps)
            kept = torch.float32 if way.kind == "flow" else self.timesteps.dtype
            visited = [lv.sigma if way.kind == "flow" else lv.sigma_k for lv in places]
            times = [lv.t for lv in places[:-1]]
            if len(self.timesteps) > steps:  # Heun's: every level but the first twice
                visited = [visited[0], *(s for s in visited[1:-1] for _ in "ab"), visited[-1]]
                times = [times[0], *(t for t in times[1:] for _ in "ab")]
            if hasattr(self, "sigmas"):
                self.sigmas = torch.tensor(visited)
            self.timesteps = torch.tensor(times, dtype=torch.float64).to(kept)

        def step(self, *given, **named):
            out = super().step(*given, **named)
            self.last = out[0] if isinstance(out, tuple) else out.prev_sample
            return out

    return Visiting(**config)


def assert_same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert ours.shape == theirs.shape
    assert error <= TOLERANCE, f"relative error {error:.2e}"
