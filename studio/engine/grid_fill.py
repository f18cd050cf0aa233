"""One grid at work: its cells, the hands that fill them, and who waits for a change.

A hand is a thread that submits one cell's run, follows it to its end and takes the next one; as
many runs are under way as there are hands. Any thread may ask how far it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from studio.contract import (
    Cancelled,
    CheckpointInfo,
    Choices,
    Event,
    Failed,
    Finished,
    Loading,
    Request,
    Step,
    View,
)
from studio.engine.grid_cost import Rates
from studio.errors import Busy, StudioError
from studio.gridding import Cell, Filling, Grid, Plan

log = logging.getLogger(__name__)
ENOUGH = 0.03  # of all work, before its pace is believed
PATIENCE = 0.5  # seconds between two tries where the engine's queue is full


class Runs(Protocol):
    """What a grid needs of the engine: that it runs requests."""

    def submit(self, request: Request, view: View | None = None) -> str: ...

    def events(self, run: str, timeout: float | None = None) -> Iterator[Event]: ...

    def cancel(self, run: str) -> None: ...

    def forget(self, run: str) -> None: ...

    def choices(self) -> Choices: ...

    def catalog(self) -> tuple[CheckpointInfo, ...]: ...


@dataclass(eq=False)
class Work:
    """A grid that is being filled. `requests` are resolved; None where a cell cannot run."""

    id: str
    grid: Grid
    plan: Plan
    requests: list[Request | None]
    weights: list[int]  # rows × pixels of each cell
    cells: list[Cell] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    number: int = 0
    state: str = "stopped"
    waiting: list[int] = field(default_factory=list)  # the next cell last
    runs: set[str] = field(default_factory=set)
    turn: int = 0  # how often it was begun; hands of an earlier turn put nothing in
    hands: int = 0
    seconds: float = 0.0  # of earlier fillings
    began: float = 0.0
    first: float | None = None  # when the first step of this filling was made
    before: int = 0  # weight that was done when it began
    mark: float | None = None  # when the last cell was done, while nothing was being loaded
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        said = dict(self.plan.problems)
        self.cells = [
            Cell(k, "failed", message=said[k]) if k in said else Cell(k)
            for k in range(self.grid.cells)
        ]
        self.versions = [0] * self.grid.cells

    # What anybody may ask

    def filling(self) -> Filling:
        """How far it is, now."""
        done = sum(cell.state == "done" for cell in self.cells)
        failed = sum(cell.state == "failed" for cell in self.cells)
        spent = self.seconds
        if self.state == "running":
            spent += time.monotonic() - self.began
        return Filling(
            id=self.id,
            number=self.number,
            state=self.state,  # type: ignore[arg-type]
            done=done,
            failed=failed,
            cells=len(self.cells),
            seconds=spent,
            left_s=self._left(),
        )

    def _left(self) -> float | None:
        """From how fast it went since the first step, once that tells; else what was planned."""
        if self.state != "running":
            return None
        whole = sum(self.weights)
        share = {"done": 1.0, "running": 0.0, "waiting": 0.0, "failed": 1.0}
        done = sum(
            weight * max(share[cell.state], cell.step / max(1, cell.total))
            for weight, cell in zip(self.weights, self.cells, strict=True)
        )
        if self.first is not None and done - self.before > ENOUGH * whole:
            went = time.monotonic() - self.first
            return went * (whole - done) / (done - self.before)
        if self.plan.seconds is None:
            return None
        return max(0.0, self.plan.seconds * (1 - done / whole))

    def watch(self) -> Iterator[Filling]:
        """A Filling for every change; a slow reader misses all but the newest."""
        seen = -1
        while True:
            with self.changed:
                while self.number == seen and self.state == "running":
                    self.changed.wait(1.0)
                seen, now = self.number, self.filling()
            yield now
            if now.state != "running":
                return

    def since(self, number: int) -> tuple[int, tuple[Cell, ...]]:
        """The cells that changed after that many changes."""
        with self.changed:
            cells = zip(self.versions, self.cells, strict=True)
            return self.number, tuple(c for v, c in cells if v > number or number == 0)

    @property
    def bytes(self) -> int:
        return sum(len(cell.picture) for cell in self.cells)

    # Filling

    def go(self, engine: Runs, rates: Rates, hands: int) -> None:
        """Fill what is not done; nothing happens while it runs already."""
        with self.changed:
            if self.state == "running":
                return
            todo = [
                index
                for index, cell in enumerate(self.cells)
                if cell.state != "done" and self.requests[index] is not None
            ]
            order = list(dict.fromkeys(self._request(index).model for index in todo))
            todo.sort(key=lambda index: (order.index(self._request(index).model), index))
            self.waiting = todo[::-1]
            self.hands, self.turn = min(hands, len(todo)), self.turn + 1
            self.state = "running" if todo else "done"
            self.began, self.mark, self.first = time.monotonic(), None, None
            kept = set(range(len(self.cells))) - set(todo)
            self.before = sum(self.weights[index] for index in kept)
            self._note(*(Cell(index, total=self._request(index).steps) for index in todo))
            for _ in range(self.hands):
                threading.Thread(
                    target=self._hand, args=(engine, rates, self.turn), name="grid", daemon=True
                ).start()

    def stop(self, engine: Runs) -> None:
        """No further cell begins, and those that run end at their next question."""
        with self.changed:
            self._end("stopped")
            runs = list(self.runs)
        for run in runs:
            engine.cancel(run)

    def _request(self, index: int) -> Request:
        request = self.requests[index]
        assert request is not None
        return request

    def _end(self, state: str) -> None:
        if self.state == "running":
            self.seconds += time.monotonic() - self.began
            self.state = state
            left = [cell for cell in self.cells if cell.state == "running"]
            self._note(*(Cell(cell.index, total=cell.total) for cell in left))

    def _note(self, *cells: Cell) -> None:
        """Put cells in, and wake whoever waits."""
        with self.changed:
            self.number += 1
            for cell in cells:
                self.cells[cell.index] = cell
                self.versions[cell.index] = self.number
            self.changed.notify_all()

    def _goes(self, turn: int) -> bool:
        return self.state == "running" and self.turn == turn

    def _hand(self, engine: Runs, rates: Rates, turn: int) -> None:
        while True:
            with self.changed:
                if not self._goes(turn) or not self.waiting:
                    break
                index = self.waiting.pop()
            self._fill(engine, rates, turn, index)
        with self.changed:
            if self._goes(turn):
                self.hands -= 1
                if self.hands == 0:
                    self._end("done")

    def _fill(self, engine: Runs, rates: Rates, turn: int, index: int) -> None:
        """One cell, to its end; what fails is said in the cell, and the others go on."""
        run, failure = "", ""
        try:
            run = self._submit(engine, turn, self._request(index))
            for event in engine.events(run) if run else ():
                with self.changed:
                    if self._goes(turn):
                        self._follow(rates, index, event)
        except StudioError as error:
            failure = str(error)
        except Exception:
            log.exception("a cell failed")
            failure = "Something went wrong in this cell; try it again."
        finally:
            with self.changed:
                self.runs.discard(run)
                if failure and self._goes(turn):
                    self._note(Cell(index, "failed", message=failure))
            if run:
                engine.forget(run)

    def _submit(self, engine: Runs, turn: int, request: Request) -> str:
        """The run's id, waiting while the queue is full; nothing where the grid was stopped."""
        while True:
            try:
                run = engine.submit(request, View(preview="auto"))
            except Busy:
                with self.changed:
                    if self.changed.wait_for(lambda: not self._goes(turn), PATIENCE):
                        return ""
                continue
            with self.changed:
                self.runs.add(run)
                stopped = not self._goes(turn)
            if stopped:
                engine.cancel(run)
            return run

    def _follow(self, rates: Rates, index: int, event: Event) -> None:
        cell = self.cells[index]
        if isinstance(event, Loading):
            self.mark = None  # what loading takes is no part of a row's time
        elif isinstance(event, Step):
            if self.mark is None:
                self.mark = time.monotonic()
            self.first = self.first or self.mark
            picture = event.x0[0] if event.x0 else cell.picture
            self._note(
                replace(cell, state="running", picture=picture, step=event.index + 1,
                        total=event.total, nfe=event.nfe)
            )  # fmt: skip
        elif isinstance(event, Finished):
            self._done(rates, index, event)
        elif isinstance(event, Failed):
            self._note(Cell(index, "failed", message=event.message))
        elif isinstance(event, Cancelled):  # not by us, or it would not go: the engine ends
            self._end("stopped")

    def _done(self, rates: Rates, index: int, made: Finished) -> None:
        now = time.monotonic()
        if self.mark is not None:
            rates.add(made.request, made.rows, now - self.mark)
        self.mark = now
        self._note(
            Cell(
                index=index,
                state="done",
                picture=made.pictures[0],
                step=made.request.steps,
                total=made.request.steps,
                nfe=made.nfe,
                seconds=made.seconds,
                pixels_sha256=made.pixels_sha256[0],
                request=made.request,
            )
        )
