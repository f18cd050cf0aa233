"""Grids on the real engine with small checkpoints: what they cost, fill, keep and refuse."""

import time

import numpy as np
import pytest

from studio.axes import Axis
from studio.contract import Choice
from studio.engine import batcher, grid_cost
from studio.engine import grid as grid_module
from studio.engine.engine import LocalEngine
from studio.engine.grid_cost import Rates, plan, rows_of
from studio.errors import Busy, NotFound, OverBudget
from studio.gridding import Grid
from studio.recipe import MAX_WORK, Guidance, Request
from studio.settings import Settings
from tests.engine.watching import finish, pictures, request, rgb

GUIDED = Axis("guidance", ("1", "4"))
SEEDS = Axis("seed", ("0", "5"))


@pytest.fixture
def own(models):
    """An engine of the test's own."""
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    yield engine
    engine.close()


def filled(engine, grid):
    """The grid's id, once it stands still."""
    id = engine.grids.start(grid)
    for now in engine.grids.watch(id):
        last = now
    return id, last


def test_each_cell_is_the_picture_that_its_request_makes_alone(engine):
    grid = Grid(request(prompt="red disc"), Axis("sampler", ("ddim", "heun")), SEEDS)
    id, last = filled(engine, grid)
    assert (last.state, last.done, last.failed) == ("done", 4, 0)
    for cell in engine.grids.cells(id)[1]:
        alone = finish(engine, grid.at(cell.index).with_(alone=True))
        assert np.abs(pictures(alone)[0] - rgb(cell.picture)).max() <= 1
        assert (cell.request.width, cell.nfe) == (64, alone.nfe)


def test_runs_of_a_grid_share_forwards(own, monkeypatch):
    sizes = []
    choose = batcher.choose
    monkeypatch.setattr(
        batcher, "choose", lambda *a: sizes.append(len(group := choose(*a))) or group
    )
    filled(own, Grid(request(steps=8), GUIDED, Axis("seed", ("0", "1", "2"))))
    assert max(sizes) >= 3


def test_a_cell_that_cannot_run_says_why_and_the_others_are_filled(engine):
    grid = Grid(request(model="shapes"), Axis("size", ("32×32", "64×64")), SEEDS)
    made = engine.grids.plan(grid)
    assert [index for index, _ in made.problems] == [1, 3]
    id, last = filled(engine, grid)
    assert (last.done, last.failed) == (2, 2)
    cells = engine.grids.cells(id)[1]
    assert "32×32 only" in cells[1].message and cells[0].picture


def test_a_run_that_fails_fails_alone(own, monkeypatch):
    from studio.engine.run import Run

    original = Run.__init__

    def broken(self, ticket, *rest):
        original(self, ticket, *rest)
        if ticket.request.seed == 5:
            raise ValueError("no")

    monkeypatch.setattr(Run, "__init__", broken)
    id, last = filled(own, Grid(request(), GUIDED, SEEDS))
    assert (last.done, last.failed) == (2, 2)
    assert all("failed" in c.message for c in own.grids.cells(id)[1] if c.state == "failed")


def test_a_failed_cell_is_tried_again_on_going_on(own, monkeypatch):
    from studio.engine.run import Run

    original, broken = Run.__init__, [True]

    def sometimes(self, ticket, *rest):
        original(self, ticket, *rest)
        if broken and ticket.request.seed == 5:
            raise ValueError("no")

    monkeypatch.setattr(Run, "__init__", sometimes)
    id, last = filled(own, Grid(request(), GUIDED, SEEDS))
    assert last.failed == 2
    broken.clear()
    own.grids.resume(id)
    *_, last = own.grids.watch(id)
    assert (last.done, last.failed, last.state) == (4, 0, "done")


def test_stopped_it_keeps_what_is_done_and_goes_on_from_there(own):
    grid = Grid(request(steps=60), Axis("seed", tuple("012345")), Axis("steps", ("3", "50")))
    id = own.grids.start(grid)
    for now in own.grids.watch(id):
        if now.done >= 2:
            own.grids.stop(id)
    assert now.state == "stopped" and 2 <= now.done < 12
    before = {c.index: c.picture for c in own.grids.cells(id)[1] if c.state == "done"}
    assert all(c.state in ("done", "waiting") for c in own.grids.cells(id)[1])
    own.grids.resume(id)
    own.grids.resume(id)  # twice is once
    *_, last = own.grids.watch(id)
    assert (last.state, last.done) == ("done", 12)
    after = {c.index: c.picture for c in own.grids.cells(id)[1]}
    assert all(after[index] == picture for index, picture in before.items())


def test_only_what_changed_is_told_again(engine):
    id, _ = filled(engine, Grid(request(), GUIDED, SEEDS))
    number, cells = engine.grids.cells(id)
    assert len(cells) == 4
    assert engine.grids.cells(id, number) == (number, ())
    assert 0 < len(engine.grids.cells(id, number - 2)[1]) <= 2


def test_nothing_of_a_grids_runs_is_left_behind(own):
    filled(own, Grid(request(), GUIDED, SEEDS))
    deadline = time.monotonic() + 5
    while own._tickets and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not own._tickets


def test_a_full_queue_is_waited_for(models):
    engine = LocalEngine(Settings(models=models, threads=1, queue_limit=2)).start(warm=False)
    try:
        _, last = filled(engine, Grid(request(steps=3), GUIDED, SEEDS))
        assert (last.done, last.failed) == (4, 0)
    finally:
        engine.close()


def test_closing_the_engine_stops_the_grid(models, gate):
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    id = engine.grids.start(Grid(request(model="shapes"), GUIDED, SEEDS))
    gate.reached.wait(30)
    gate.opened.set()
    engine.close()
    *_, last = engine.grids.watch(id)
    assert last.state in ("stopped", "done")


def test_a_grid_that_nobody_holds_is_not_found(engine):
    id, _ = filled(engine, Grid(request(steps=2), GUIDED))
    engine.grids.forget(id)
    engine.grids.forget(id)
    engine.grids.stop(id)
    for ask in (engine.grids.cells, engine.grids.sheet, engine.grids.grid, engine.grids.resume):
        with pytest.raises(NotFound):
            ask(id)


def test_as_many_grids_as_there_is_room_for(models, gate):
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    grid = Grid(request(model="shapes"), Axis("seed", ("1",)))
    ids = [engine.grids.start(grid) for _ in range(grid_module.MOST_RUNNING)]
    with pytest.raises(Busy, match="grids are being filled"):
        engine.grids.start(grid)
    for id in ids:
        engine.grids.stop(id)
    gate.opened.set()
    engine.grids.start(grid)
    engine.close()


# What it costs


def test_rows_are_counted_as_the_engine_counts_them(engine):
    for changes in ({}, {"guidance": Guidance(scale=1.0)}, {"sampler": "heun"}):
        asked = request(steps=6, **changes)
        done = finish(engine, asked)
        evaluations = 2 if asked.sampler == "heun" else 1
        each, rows = rows_of(asked, evaluations)
        last = evaluations - 1  # the last step of Heun is Euler's
        assert (each - last, rows - 2 * last) == (done.nfe, done.rows)


def test_a_picture_to_start_from_costs_the_steps_that_its_strength_leaves():
    asked = request(steps=10, image="0" * 64, strength=0.37)
    assert rows_of(asked, 2) == (6, 12)
    assert rows_of(asked.with_(image=""), 2) == (20, 40)


def test_a_plan_sums_over_the_cells(engine):
    made = engine.grids.plan(Grid(request(steps=10), GUIDED, Axis("sampler", ("ddim", "heun"))))
    # guidance 1 asks one row, 4 asks two; heun asks twice a step
    assert (made.cells, made.evaluations, made.network_rows) == (4, 60, 90)


def test_what_was_timed_makes_the_plan_in_seconds():
    rates = Rates()
    asked = request(model="random", width=64, height=64, steps=10)
    rates.add(asked, 100, 2.0)
    rates.add(asked, 100, 4.0)
    made = plan(Grid(asked, GUIDED), lambda r: r, (), lambda m: rates.of(m, ()))
    assert made.row_ms == pytest.approx(30.0)
    assert made.seconds == pytest.approx(30 * 0.03)


def test_an_untimed_checkpoint_leaves_the_seconds_open(own):
    assert own.grids.plan(Grid(request(), GUIDED)).seconds is None
    finish(own, request())
    made = own.grids.plan(Grid(request(), GUIDED))
    assert made.seconds and made.seconds == pytest.approx(made.network_rows * made.row_ms / 1000)


def test_too_slow_is_refused_with_the_arithmetic():
    asked = request(width=64, height=64, steps=1000)
    grid = Grid(asked, GUIDED, Axis("seed", tuple(map(str, range(10)))))
    slow = lambda model: 0.5 / 64**2  # noqa: E731, half a second a row
    with pytest.raises(OverBudget) as refused:
        plan(grid, lambda r: r, (), slow)
    minutes = 30_000 * 0.5 / 60
    assert f"30,000 rows for the network; at 500 ms a row they take {minutes:.0f} minutes" in str(
        refused.value
    )


def test_untimed_it_may_take_so_much_work_and_no_more():
    side = Request("m", width=512, height=512, steps=50, guidance=Guidance(scale=1.0))
    most = grid_cost.MOST_WORK // (MAX_WORK // 16)
    fits = Grid(side, Axis("seed", tuple(map(str, range(64)))), Axis("steps", ("50", "50")))
    assert most == 128 == fits.cells
    choices = (Choice("ddim", "DDIM"),)
    plan(fits, lambda r: r, choices, lambda m: None)
    with pytest.raises(OverBudget, match="times what one run may take"):
        plan(Grid(side.with_(steps=51), *fits.axes[:1], Axis("eta", ("0", "1"))),
             lambda r: r, choices, lambda m: None)  # fmt: skip
