"""Runs driven through the batcher, alone or together, to their final states."""

from pathlib import Path

import torch

from studio.checkpoints.catalog import scan
from studio.contract import Request, View
from studio.engine import batcher, offers
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import rows
from studio.engine.run import Run
from studio.engine.ticket import Ticket
from studio.settings import Settings


class Studio:
    """A models folder whose checkpoints answer without an engine around them."""

    def __init__(self, models: Path) -> None:
        self.catalog = scan(models)
        self.residents = Residents(Settings(models=models), self.catalog, "cpu")
        self.forwards: list[int] = []  # runs in each

    def start(self, request: Request) -> Run:
        asked = offers.resolve(request, self.catalog)
        ticket = Ticket(asked, View(preview="off"))
        ticket.recording = Shelf(2**22).new()
        return Run(ticket, *self._parts(asked.model, asked))

    def refine(self, run: Run) -> None:
        """Let the run's second checkpoint go on with it."""
        run.refine(*self._parts(run.ticket.request.refiner, run.ticket.request))

    def _parts(self, id, asked):
        checkpoint = self.residents.get(id, lambda doing, share: None)
        asked_rows = rows(asked).items()
        given = {name: self.residents.condition(checkpoint, row) for name, row in asked_rows}
        return checkpoint, self.residents.painter(id), given

    def states(self, *requests: Request, apart: int = 2, limit: int = 64) -> list[torch.Tensor]:
        """The final states of runs of which each joins `apart` forwards after the one before."""
        waiting, going, done = dict(enumerate(requests)), {}, {}
        turn = 0
        while waiting or going:
            for k in [k for k in waiting if turn >= k * apart]:
                going[k] = self.start(waiting.pop(k))
            turn += 1
            if not going:
                continue
            group = batcher.choose(list(going.values()), lambda run: limit)
            self.forwards.append(len(group))
            answers, _, _ = batcher.ask(group, limit)
            for run, (raw, names) in zip(group, answers, strict=True):
                run.ticket.served += len(raw)
                run.take(raw, names, 1.0, len(group) - 1)
            for run in [run for run in going.values() if run.ask is None and run.end is not None]:
                self.refine(run)
            for k in [k for k, run in going.items() if run.ask is None]:
                done[k] = going.pop(k).state
        return [done[k] for k in range(len(requests))]


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, as a share of the largest expected value."""
    return float((found - expected).abs().max() / expected.abs().max())
