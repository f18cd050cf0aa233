"""Grids: a bounded window of runs at a time, each cell an ordinary run; see `gridding.Grids`.

Runs of one checkpoint share forwards in the batcher like any others, and its cells are filled
before those of the next. This module knows no torch.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

from studio.axes import NO_STYLE, Names
from studio.contract import Finished, Request
from studio.engine.grid_cost import Rates, plan, weight
from studio.engine.grid_fill import Runs, Work
from studio.errors import Busy, NotFound
from studio.gridding import Cell, Filling, Grid, Plan
from studio.imaging import grids
from studio.presets import styles

HANDS = 8  # runs of one grid that are under way together
MOST_RUNNING = 4  # grids that are filled at one time
KEPT = 32  # grids whose cells can still be asked for
KEPT_BYTES = 128 * 2**20  # of their pictures


class Grids:
    """The engine's grids, from any thread."""

    def __init__(
        self,
        engine: Runs,
        resolve: Callable[[Request], Request],
        finished: Callable[[], Iterable[Finished]],
        hands: int = HANDS,
    ) -> None:
        """`resolve` fills a request's size in or refuses it; `finished` are runs still kept."""
        self._engine, self._resolve, self._finished = engine, resolve, finished
        self._hands = hands
        self._rates = Rates()
        self._works: OrderedDict[str, Work] = OrderedDict()
        self._lock = threading.Lock()

    def names(self) -> Names:
        choices = self._engine.choices()
        return {
            "sampler": tuple((choice.id, choice.label) for choice in choices.samplers),
            "spacing": tuple((choice.id, choice.label) for choice in choices.spacings),
            "model": tuple((info.id, info.title) for info in self._engine.catalog()),
            "style": ((NO_STYLE, NO_STYLE), *((each.id, each.id) for each in styles())),
        }

    def plan(self, grid: Grid) -> Plan:
        kept = tuple(self._finished())
        samplers = self._engine.choices().samplers
        return plan(grid, self._resolve, samplers, lambda model: self._rates.of(model, kept))

    def start(self, grid: Grid) -> str:
        planned = self.plan(grid)
        bad = dict(planned.problems)
        requests = [
            None if index in bad else self._resolve(grid.at(index)) for index in range(grid.cells)
        ]
        evaluations = {c.id: c.evaluations for c in self._engine.choices().samplers}
        weights = [weight(r, evaluations.get(r.sampler, 1)) if r else 0 for r in requests]
        work = Work(secrets.token_urlsafe(16), grid, planned, requests, weights)
        with self._lock:
            self._check_room()
            self._works[work.id] = work
            work.go(self._engine, self._rates, self._hands)
        return work.id

    def watch(self, id: str) -> Iterator[Filling]:
        return self._work(id).watch()

    def cells(self, id: str, since: int = 0) -> tuple[int, tuple[Cell, ...]]:
        return self._work(id).since(since)

    def grid(self, id: str) -> Grid:
        return self._work(id).grid

    def stop(self, id: str) -> None:
        work = self._works.get(id)
        if work is not None:
            work.stop(self._engine)

    def resume(self, id: str) -> None:
        work = self._work(id)
        with self._lock:
            if work.state != "running":
                self._check_room()
            work.go(self._engine, self._rates, self._hands)

    def sheet(self, id: str) -> bytes:
        work = self._work(id)
        _, cells = work.since(0)
        names = {field: dict(known) for field, known in self.names().items()}
        pictures = {c.index: c.picture for c in cells if c.state == "done"}
        return grids.sheet(work.grid, pictures, names)

    def forget(self, id: str) -> None:
        self.stop(id)
        with self._lock:
            self._works.pop(id, None)

    def _work(self, id: str) -> Work:
        work = self._works.get(id)
        if work is None:
            raise NotFound("This grid is no longer kept; fill it again.")
        return work

    def _check_room(self) -> None:
        """Let the oldest go until what is kept is within bounds. Raises Busy."""
        running = sum(work.state == "running" for work in self._works.values())
        if running >= MOST_RUNNING:
            raise Busy(f"{running} grids are being filled already; try again in a moment.")
        idle = [work for work in self._works.values() if work.state != "running"]
        held = sum(work.bytes for work in idle)
        while len(idle) > KEPT or held > KEPT_BYTES:
            oldest = idle.pop(0)
            held -= oldest.bytes
            del self._works[oldest.id]
