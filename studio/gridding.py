"""An X/Y grid of one request over two of its fields, what it costs and how far it is.

Plain frozen values, and the verbs that an engine has for them. This module knows neither torch
nor gradio, nor what exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Protocol

from studio import axes
from studio.axes import FIELDS, Axis, Names
from studio.errors import BadRecipe, BadRequest, StudioError
from studio.recipe import Request

VERSION = 1
MAX_CELLS = 400
MAX_JSON = 150_000

State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Grid:
    """A request, and the axes that change it: x from column to column, y from row to row."""

    request: Request
    x: Axis
    y: Axis | None = None

    def __post_init__(self) -> None:
        """Raises BadRequest where an axis, alone, makes no request."""
        if self.request.count != 1:
            object.__setattr__(self, "request", self.request.with_(count=1))
        if self.y and self.y.field == self.x.field != "words":
            name = FIELDS[self.x.field].name
            raise BadRequest(f"Both axes run over the {name}; choose another field for one.")
        if self.cells > MAX_CELLS:
            raise BadRequest(
                f"{self.columns} × {self.rows} are {self.cells} cells, and a grid has at most "
                f"{MAX_CELLS}; take fewer values."
            )
        for axis in self.axes:  # a value that suits no cell is refused before anything runs
            for text in axis.values:
                replaced = [(other, other.values[0]) for other in self.axes if other is not axis]
                axes.put(self.request, [(axis, text), *replaced])

    @property
    def axes(self) -> tuple[Axis, ...]:
        return (self.x, self.y) if self.y else (self.x,)

    @property
    def columns(self) -> int:
        return len(self.x.values)

    @property
    def rows(self) -> int:
        return len(self.y.values) if self.y else 1

    @property
    def cells(self) -> int:
        return self.columns * self.rows

    def at(self, index: int) -> Request:
        """The request of a cell, counted row by row. Raises BadRequest or OverBudget."""
        row, column = divmod(index, self.columns)
        chosen = [(self.x, self.x.values[column])]
        if self.y:
            chosen.append((self.y, self.y.values[row]))
        return axes.put(self.request, chosen)

    def to_json(self) -> str:
        """One line of JSON; `from_json` reads it."""
        said = {"grid": VERSION, "request": asdict(self.request), "x": asdict(self.x)}
        said["y"] = asdict(self.y) if self.y else None
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Grid:
        """The grid that `to_json` wrote; raises BadRecipe with a sentence."""
        if len(text) > MAX_JSON:
            raise BadRecipe("The recipe is longer than any this studio writes; it was not read.")
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise BadRecipe("The recipe is not valid JSON; it was not read.") from None
        if not isinstance(said, dict) or set(said) != {"grid", "request", "x", "y"}:
            raise BadRecipe("This recipe is of a single picture and not of a grid.")
        if said["grid"] != VERSION:
            raise BadRecipe(f"This grid is of another version; this studio reads {VERSION}.")
        request = Request.from_json(json.dumps(said["request"]))
        try:
            return Grid(request, _axis(said["x"]), _axis(said["y"]) if said["y"] else None)
        except StudioError as error:
            raise BadRecipe(f"The grid cannot be filled: {error}") from None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a grid will cost. `evaluations` are questions, `network_rows` rows that answer them.

    `row_ms` is what a row took in runs of these checkpoints so far, and `seconds` what that
    makes for all cells; None where one of the checkpoints has not run yet. `problems` are the
    sentences of cells that cannot run, by their index.
    """

    columns: int
    rows: int
    cells: int
    evaluations: int
    network_rows: int
    row_ms: float | None
    seconds: float | None
    problems: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. `picture` is a JPEG of x̂0 while it runs and the PNG when it is done.

    `message` is why it failed; `seconds` and `nfe` are of the run that made it.
    """

    index: int
    state: State = "waiting"
    picture: bytes = b""
    step: int = 0
    total: int = 0
    nfe: int = 0
    seconds: float = 0.0
    pixels_sha256: str = ""
    message: str = ""
    request: Request | None = None  # with its size filled in, once it is done


@dataclass(frozen=True, slots=True)
class Filling:
    """How far a grid is; `number` counts its changes, `left_s` is None while nothing tells."""

    id: str
    number: int
    state: Literal["running", "stopped", "done"]
    done: int
    failed: int
    cells: int
    seconds: float
    left_s: float | None


class Grids(Protocol):
    """The engine's grids. A grid belongs to whoever holds its id: there is no way to list them.

    Every method may raise StudioError; NotFound where a grid is no longer kept.
    """

    def names(self) -> Names:
        """What the fields that are named by words may be: sampler, spacing, model."""
        ...

    def plan(self, grid: Grid) -> Plan:
        """What it will cost; raises OverBudget, with the arithmetic, where that is too much."""
        ...

    def start(self, grid: Grid) -> str:
        """Begin to fill it; its id. Raises what `plan` does, and Busy."""
        ...

    def watch(self, id: str) -> Iterator[Filling]:
        """How far it is, with every change or as many as a slow reader can take.

        It ends when the grid stops or is done; closing it stops nothing.
        """
        ...

    def cells(self, id: str, since: int = 0) -> tuple[int, tuple[Cell, ...]]:
        """The cells that changed after that number of changes, and the number now."""
        ...

    def grid(self, id: str) -> Grid: ...

    def stop(self, id: str) -> None:
        """Stop now; finished cells stay. Idempotent."""
        ...

    def resume(self, id: str) -> None:
        """Fill what is not done, failed cells too. Idempotent while it runs."""
        ...

    def sheet(self, id: str) -> bytes:
        """The grid as one PNG with its labels, without a recipe; unfinished cells are empty."""
        ...

    def forget(self, id: str) -> None:
        """Stop it and free its pictures. Idempotent."""
        ...


def _axis(said: Any) -> Axis:
    if not isinstance(said, dict) or set(said) != {f.name for f in fields(Axis)}:
        raise BadRequest("An axis is a field and its values.")
    values = said["values"]
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise BadRequest("An axis is a field and its values.")
    return Axis(said["field"], tuple(values))
