"""Races on small checkpoints: lanes as they would be alone, in lockstep, stopped, measured."""

import pytest

from studio.engine.engine import LocalEngine
from studio.engine.run import Run
from studio.errors import BadRequest, Busy, NotFound, OverBudget, StudioError
from studio.racing import (
    RACE_LAST,
    Convergence,
    Lane,
    LaneFinished,
    LaneStep,
    LaneStopped,
    Measuring,
    Point,
    RaceCancelled,
    RaceFinished,
    RaceQueued,
    RaceRequest,
)
from studio.recipe import Guidance, Request
from studio.settings import Settings
from tests.engine.watching import GUIDED, finish, pictures, rgb

TWELVE = (
    "ddim", "dpmpp_2m", "unipc", "deis", "heun", "dpm2", "dpmpp_2s", "lms", "euler_ancestral",
    "ddpm", "dpmpp_2m_sde", "edm",
)  # fmt: skip


def race(samplers=TWELVE, model="random", steps=4, **changes):
    lanes = tuple(Lane(s, steps, guidance=GUIDED) if isinstance(s, str) else s for s in samplers)
    usual = {"base": Request(model, "red disc", seed=3), "lanes": lanes, "reference": 0}
    return RaceRequest(**usual | changes)


def run(engine, asked):
    """All events of a race that must come to a good end."""
    seen = list(engine.races.events(engine.races.submit(asked), timeout=120))
    assert isinstance(seen[-1], RaceFinished), seen[-1]
    return seen


def of(kind, seen):
    return [event for event in seen if isinstance(event, kind)]


@pytest.mark.parametrize("model", ["random", "shapes"])
def test_twelve_lanes_end_as_each_would_alone(engine, model):
    asked = race(model=model)
    seen = run(engine, asked)
    done = {event.lane: event for event in of(LaneFinished, seen)}
    assert len(done) == 12
    assert len({event.xt_sha256 for event in done.values()}) == 1
    for lane in range(12):
        alone = finish(engine, asked.run(lane).with_(alone=True))
        assert alone.xt_sha256 == done[lane].xt_sha256
        assert abs(rgb(done[lane].png).astype(int) - pictures(alone)[0]).max() <= 1
        assert (done[lane].nfe, done[lane].rows) == (alone.nfe, alone.rows)


def test_lanes_go_in_lockstep_until_they_end(engine):
    seen = run(engine, race(("ddim", "dpmpp_2m", Lane("unipc", 6, guidance=GUIDED))))
    steps = of(LaneStep, seen)
    shared = {(step.lane, step.index): step.shared_with for step in steps}
    assert [shared[0, k] for k in range(4)] == [2, 2, 2, 2]
    assert [shared[2, k] for k in range(6)] == [2, 2, 2, 2, 0, 0]
    order = [step.index for step in steps]
    assert order == sorted(order)


def test_evaluations_and_guidances_extra_rows_are_counted_apart(engine):
    lanes = (Lane("heun", 3, guidance=GUIDED), Lane("ddim", 3, guidance=Guidance("none")))
    steps = of(LaneStep, run(engine, race(lanes)))
    assert [(s.nfe, s.rows) for s in steps if s.lane == 0] == [(1, 2), (3, 6), (5, 10)]
    assert [(s.nfe, s.rows) for s in steps if s.lane == 1] == [(1, 1), (2, 2), (3, 3)]


def test_samplers_with_noise_share_it_in_equal_steps(engine):
    lanes = (
        Lane("euler_ancestral", 4, guidance=GUIDED),
        Lane("ddpm", 4, guidance=GUIDED),
        Lane("ddim", 4, eta=1.0, guidance=GUIDED),
    )
    done = of(LaneFinished, run(engine, race(lanes)))
    a, b, c = (rgb(event.png).astype(int) for event in sorted(done, key=lambda e: e.lane))
    assert abs(a - b).max() <= 1 and abs(a - c).max() <= 1


def test_both_previews_of_every_lane_are_sent_or_the_one_that_is_wanted(engine):
    last = {s.lane: s for s in of(LaneStep, run(engine, race(("ddim", "heun"))))}
    assert all(step.xt[:2] == step.x0[:2] == b"\xff\xd8" for step in last.values())
    last = {s.lane: s for s in of(LaneStep, run(engine, race(("ddim", "heun"), shown="xt")))}
    assert all(step.xt and not step.x0 for step in last.values())


def test_the_race_says_first_what_it_is_and_its_lanes_can_be_looked_at(engine):
    seen = run(engine, race(("ddim", "heun"), mode="nfe", nfe=8))
    queued = seen[0]
    assert isinstance(queued, RaceQueued)
    assert [lane.steps for lane in queued.request.lanes] == [8, 4]
    assert queued.request.base.width == 64
    frame = engine.races.frame(queued.race, 1, 0, "x0")
    assert rgb(frame).shape == (64, 64, 3)
    assert len(engine.levels(queued.runs[0])) == 8


def test_a_lane_that_is_stopped_leaves_the_others_alone(engine, gate):
    asked = race(("ddim", "dpmpp_2m", "unipc"), model="shapes")
    id = engine.races.submit(asked)
    gate.reached.wait(30)
    engine.races.stop_lane(id, 1)
    engine.races.stop_lane(id, 1)
    gate.opened.set()
    seen = list(engine.races.events(id, timeout=60))
    assert [event.lane for event in of(LaneStopped, seen)] == [1]
    assert {event.lane for event in of(LaneFinished, seen)} == {0, 2}
    assert [row.lane for row in seen[-1].result.rows] == [0, 2]


def test_a_race_that_is_cancelled_ends_at_once_and_takes_no_more(engine, gate):
    id = engine.races.submit(race(("ddim", "dpmpp_2m"), model="shapes", steps=50))
    gate.reached.wait(30)
    engine.races.cancel(id)
    gate.opened.set()
    seen = list(engine.races.events(id, timeout=60))
    assert isinstance(seen[-1], RaceCancelled)
    assert len(of(LaneStopped, seen)) == 2 and not of(LaneFinished, seen)
    engine.races.forget(id)
    with pytest.raises(NotFound):
        engine.races.events(id)


def test_the_oldest_race_that_is_over_makes_room_with_its_recordings(engine, gate, monkeypatch):
    first = run(engine, race(("ddim", "heun")))[0]
    going = engine.races.submit(race(("ddim", "heun"), model="shapes"))
    gate.reached.wait(30)
    monkeypatch.setattr("studio.engine.race.KEPT", 1)
    last = engine.races.submit(race(("ddim", "heun"), model="shapes"))
    with pytest.raises(NotFound):
        engine.races.events(first.race)
    with pytest.raises(NotFound):
        engine.frame(first.runs[0], 0, "x0")
    gate.opened.set()
    for id in (going, last):
        assert isinstance(list(engine.races.events(id, timeout=60))[-1], RaceFinished)


def test_a_race_can_be_cancelled_while_it_is_measured(engine):
    id = engine.races.submit(race(("ddim", "heun"), reference=1000))
    for event in engine.races.events(id, timeout=60):
        if isinstance(event, Measuring):
            engine.races.cancel(id)
    assert isinstance(event, RaceCancelled)
    assert engine.races.result(id) is None


def test_the_table_measures_each_lane_against_its_own_reference(engine):
    other = Guidance(scale=1.5)
    lanes = (*(Lane("ddim", n, "linspace", guidance=GUIDED) for n in (4, 16)),
             Lane("ddim", 16, "linspace", guidance=other),
             Lane("ddpm", 16, guidance=GUIDED))  # fmt: skip
    result = run(engine, race(lanes, reference=100))[-1].result
    few, many, weak, noisy = result.rows
    assert many.rmse < few.rmse / 2 and many.psnr > few.psnr and many.ssim > few.ssim
    assert len(result.references) == 2 and not any(r.cached for r in result.references)
    assert weak.rmse < 0.5 and all(r.error < many.rmse / 2 for r in result.references)
    assert (noisy.order, many.order) == (None, 1)
    assert [mark.kind for mark in noisy.marks] == ["no_limit", "last"]
    assert many.marks == ()
    assert many.seconds > 2 * few.seconds > 0
    again = run(engine, race(lanes[:2], reference=100))[-1].result
    assert [r.cached for r in again.references] == [True]
    assert again.rows[0].rmse == pytest.approx(few.rmse, rel=1e-3)


def test_a_race_against_its_own_reference_has_no_error(engine):
    lanes = (Lane("unipc", 60, "linspace", guidance=GUIDED), Lane("ddim", 8, guidance=GUIDED))
    result = run(engine, race(lanes, reference=60))[-1].result
    assert result.rows[0].rmse < 1e-4 < result.rows[1].rmse
    assert result.rows[0].psnr > 50 and result.rows[0].ssim > 0.999


def test_a_ladder_shows_the_order_and_no_limit_where_there_is_noise(engine):
    lanes = (
        Lane("ddim", 4, "karras", guidance=Guidance("none")),
        Lane("ddim", 9, "karras", guidance=Guidance("none")),
        Lane("ddpm", 4, "karras", guidance=Guidance("none")),
    )
    asked = race(lanes, reference=300)
    seen = list(engine.races.converge(asked, (8, 16, 32, 64)))
    points, found = of(Point, seen), seen[-1]
    assert isinstance(found, Convergence)
    assert {(p.lane, p.nfe) for p in points} == {(0, 8), (0, 16), (0, 32), (0, 64)}
    fits = {fit.lane: fit for fit in found.fits}
    assert fits[0].order == pytest.approx(1.0, abs=0.5) and fits[0].error is not None
    assert fits[2].order is None and "no pathwise limit" in fits[2].words
    assert 1 not in fits  # differs from the first in its steps alone


def test_closing_the_ladder_stops_it(engine):
    asked = race(("ddim", "heun"), reference=1000)
    climbing = engine.races.converge(asked, (400,))
    assert isinstance(next(climbing), Measuring)
    climbing.close()
    alone = finish(engine, Request("shapes", "red disc", steps=2))
    assert "together" not in alone.notes


def test_a_race_in_company_waits_its_turn_and_a_full_queue_says_so(models):
    engine = LocalEngine(Settings(models=models, threads=1, queue_limit=3))
    id = engine.races.submit(race(("ddim", "heun", "dpm2", "lms"), steps=300))  # nobody waits
    with pytest.raises(Busy):
        engine.races.submit(race(("ddim", "heun")))
    assert list(engine.races._races) == [id]  # what was refused is not kept
    engine.close()
    assert isinstance(list(engine.races.events(id, timeout=10))[-1], RACE_LAST)


@pytest.mark.parametrize(
    "lanes, kind",
    [
        ((Lane("nobody"), Lane("ddim")), BadRequest),
        ((Lane("ddim", spacing="nowhere"), Lane("ddim")), BadRequest),
        ((Lane("annealed_langevin", 1000), Lane("annealed_langevin", 1000)), OverBudget),
    ],
)
def test_what_cannot_be_raced_is_refused_in_words(engine, lanes, kind):
    base = Request("random", width=256, height=256)
    with pytest.raises(kind):
        engine.races.submit(race(lanes, base=base))


def test_a_lane_that_fails_says_why_and_the_others_go_on(engine, monkeypatch):
    original = Run.take

    def take(self, *answer):
        if self.ticket.request.sampler == "heun":
            raise StudioError("Heun fell.")
        return original(self, *answer)

    monkeypatch.setattr(Run, "take", take)
    seen = run(engine, race(("ddim", "heun", "unipc")))
    assert [(e.lane, e.message) for e in of(LaneStopped, seen)] == [(1, "Heun fell.")]
    assert [row.lane for row in seen[-1].result.rows] == [0, 2]
