"""What a grid will cost, from what runs of its checkpoints took before; and what is too much."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from studio.contract import Choice, Finished
from studio.errors import OverBudget, StudioError
from studio.gridding import Grid, Plan
from studio.recipe import MAX_WORK, Request

LONGEST = 30 * 60.0  # seconds that a grid may take, where its checkpoints have been timed
MOST_WORK = 8 * MAX_WORK  # pixels × rows, where they have not
FORGET = 20_000  # rows after which older timings count half


class Rates:
    """Seconds per row and pixel of each checkpoint, as grids found them; of all threads."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float, int]] = {}  # model → seconds, pixels, rows
        self._lock = threading.Lock()

    def add(self, request: Request, rows: int, seconds: float) -> None:
        """A cell took these rows, and the grid that many seconds from the cell before it."""
        with self._lock:
            time, pixels, before = self._sums.get(request.model, (0.0, 0.0, 0))
            if before > FORGET:
                time, pixels, before = time / 2, pixels / 2, before // 2
            area = request.width * request.height
            self._sums[request.model] = (time + seconds, pixels + rows * area, before + rows)

    def of(self, model: str, finished: Iterable[Finished]) -> float | None:
        """Seconds per row and pixel: of grids, else of the quickest run that is still kept."""
        with self._lock:
            time, pixels, _ = self._sums.get(model, (0.0, 0.0, 0))
        if pixels:
            return time / pixels
        runs = [f for f in finished if f.request.model == model and f.rows]
        costs = [f.seconds / (f.rows * f.request.width * f.request.height) for f in runs]
        return min(costs, default=None)


def rows_of(request: Request, evaluations: int) -> tuple[int, int]:
    """(evaluations, rows) of one picture; guidance doubles the rows inside its interval."""
    taken = int(request.steps * request.strength) if request.image else request.steps
    asked = taken * evaluations
    guided = request.guidance.kind == "cfg" and request.guidance.scale != 1.0
    low, high = request.guidance.interval
    return asked, asked + (round(asked * (high - low)) if guided else 0)


def weight(request: Request, evaluations: int) -> int:
    """Rows × pixels of one picture: what cells of one checkpoint are compared by."""
    return rows_of(request, evaluations)[1] * request.width * request.height


def plan(
    grid: Grid,
    resolve: Callable[[Request], Request],
    samplers: Iterable[Choice],
    rate: Callable[[str], float | None],
) -> Plan:
    """The sum over all cells; raises OverBudget with the arithmetic where it is too much."""
    evaluations = {choice.id: choice.evaluations for choice in samplers}
    problems, asked, rows, seconds, work = [], 0, 0, 0.0, 0
    known = True
    for index in range(grid.cells):
        try:
            request = resolve(grid.at(index))
        except StudioError as error:
            problems.append((index, str(error)))
            continue
        each, many = rows_of(request, evaluations.get(request.sampler, 1))
        area = request.width * request.height
        asked, rows, work = asked + each, rows + many, work + many * area
        per = rate(request.model)
        known = known and per is not None
        seconds += many * area * (per or 0.0)
    made = Plan(
        columns=grid.columns,
        rows=grid.rows,
        cells=grid.cells,
        evaluations=asked,
        network_rows=rows,
        row_ms=1000 * seconds / rows if known and rows else None,
        seconds=seconds if known and rows else None,
        problems=tuple(problems),
    )
    _check(made, work)
    return made


def _check(made: Plan, work: int) -> None:
    columns, lines, rows = made.columns, made.rows, f"{made.network_rows:,}"
    if made.seconds is not None and made.row_ms is not None:
        if made.seconds > LONGEST:
            raise OverBudget(
                f"{columns} × {lines} cells are {rows} rows for the network; at {made.row_ms:.3g} "
                f"ms a row they take {made.seconds / 60:.0f} minutes, and a grid may take "
                f"{LONGEST / 60:.0f}. Take fewer values or steps."
            )
    elif work > MOST_WORK:
        raise OverBudget(
            f"{columns} × {lines} cells are {rows} rows for the network, which is "
            f"{work / MAX_WORK:.0f} times what one run may take; before its checkpoint has been "
            f"timed, a grid may take {MOST_WORK // MAX_WORK} times as much. Take fewer values or "
            "steps."
        )
