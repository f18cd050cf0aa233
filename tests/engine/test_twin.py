"""The exact twin: against closed forms, against itself, and what it refuses."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch

from studio.diffusion.exact_flow import at
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import SPACINGS
from studio.diffusion.twins import TWINS
from studio.engine.engine import LocalEngine
from studio.engine.twin import check
from studio.engine.twin_field import PLANES, field
from studio.engine.twin_ladder import climb
from studio.engine.twin_race import MARKED, TOLERANCE, race
from studio.errors import BadRequest, OverBudget
from studio.settings import Settings
from studio.twinning import PATHS, Cloud, Lane, Steering, TwinRace

EDM = Lane(path="ve", spacing="karras")


def raced(*lanes, **more):
    """The race without an engine's thread."""
    job = race(TwinRace(lanes, **{"particles": 300, **more}), OrderedDict())
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def points(cloud: Cloud) -> np.ndarray:
    """(frames, points, 2)."""
    words = np.frombuffer(cloud.packed, "<u2").reshape(cloud.frames, cloud.points, 2)
    return (words / 32767.5 - 1.0) * cloud.reach


def test_the_recording_begins_at_the_x_t_that_the_seed_names():
    made = raced(EDM, seed=7)
    eps = KeyedNoise((7,), (300, 2)).first()[0]
    first = points(made.lanes[0].cloud)[0]
    angle = made.lanes[0].frames[0].angle
    np.testing.assert_allclose(first, eps.numpy() * math.sin(angle), atol=2e-4)


def test_on_one_gaussian_every_deterministic_method_comes_to_the_closed_form():
    data = TWINS["one"]().all
    made = raced(
        *(replace(EDM, sampler=s, steps=150) for s in ("ddim", "heun", "dpmpp_2m", "unipc")),
        data="one", particles=100,
    )  # fmt: skip
    eps = KeyedNoise((0,), (100, 2)).first()[0].double()
    exact = (data.means + eps * data.variances.sqrt()).numpy()  # the start keeps 1/80 of signal
    for ran in made.lanes:
        assert np.abs(points(ran.cloud)[-1] - exact).max() < 0.06, ran.label
        assert ran.median < 0.02


def test_the_errors_are_distances_from_the_exact_ways():
    made = raced(EDM, particles=100)
    ran = made.lanes[0]
    shown = made.ways[ran.way].cloud
    ends = points(ran.cloud)[-1][: shown.points]
    off = np.linalg.norm(ends - points(shown)[-1], axis=1)
    assert made.marked == 100
    assert ran.median == pytest.approx(np.median(off), rel=0.5)
    assert ran.rmse > 0.9 * np.sqrt((off**2).sum() / 100)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("path", PATHS)
def test_every_method_walks_every_path(sampler, path):
    spacing = "karras" if path == "ve" else "trailing"
    made = raced(Lane(sampler, path, 12, spacing), particles=100)
    (ran,) = made.lanes
    assert ran.frames[-1].angle == 0.0 and ran.frames[-1].nfe == ran.nfe
    assert np.isfinite(points(ran.cloud)).all() and ran.cloud.frames == len(ran.frames)
    assert (ran.rmse is None) == SAMPLERS[sampler].stochastic


def test_a_method_under_another_name_is_said_to_be_the_same():
    made = raced(EDM, replace(EDM, sampler="euler"), replace(EDM, sampler="dpmpp_2m"))
    assert [ran.same_as for ran in made.lanes] == [None, 0, None]


def test_euler_is_the_same_walk_on_every_path_that_passes_the_same_levels():
    lanes = [Lane("ddim", path, 40, "exponential") for path in ("vp_linear", "vp_cosine")]
    assert raced(*lanes).lanes[0].median == pytest.approx(raced(lanes[0]).lanes[0].median)
    assert len(raced(*lanes).ways) == 2  # they begin at other noise


def test_guidance_at_scale_1_is_the_class_alone():
    guided = field("grid25", Steering("cfg", 2, 1.0))
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x0, eps = guided.pair(x, at(0.7))
    torch.testing.assert_close(x0, guided.twin.only(2).x0(x, at(0.7)))
    drawn = guided.draw(2000, 0)
    wanted = guided.twin.only(2)
    assert float((drawn[:, 1] - wanted.means[0, 1]).abs().max()) < 0.4
    torch.testing.assert_close(drawn.mean(0), (wanted.weights @ wanted.means), rtol=0, atol=0.1)
    assert eps.shape == (50, 2)


def test_a_perfect_classifier_is_classifier_free_guidance_but_for_ddpm():
    lanes = (EDM, replace(EDM, sampler="ddpm"))
    free = raced(*lanes, steering=Steering("cfg", 1, 2.5))
    exact = raced(*lanes, steering=Steering("classifier", 1, 2.5))
    ends = [[points(ran.cloud)[-1] for ran in made.lanes] for made in (free, exact)]
    np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-3)
    assert np.abs(ends[0][1] - ends[1][1]).max() > 0.01


def test_guidance_does_not_draw_from_the_product_density():
    made = raced(EDM, data="grid25", particles=2000, steering=Steering("cfg", 0, 4.0))
    assert made.ideal_gap.sliced > 1.5 * made.ideal_floor.sliced
    plain = raced(EDM, data="pair", particles=2000)
    assert plain.ideal_gap.sliced < 3 * plain.ideal_floor.sliced


def test_the_product_density_is_drawn_by_its_own_weights():
    data = field("pair", Steering("cfg", 0, 2.0))
    x = data.twin.all.draw(200_000, torch.Generator().manual_seed(1))
    share = data.twin.all.shares(x)[:, 0] ** 2.0  # importance weights of p(x)·p(0 | x)²
    mean = (share[:, None] * x).sum(0) / share.sum()
    torch.testing.assert_close(data.draw(20_000, 2).mean(0), mean, rtol=0, atol=0.02)


def test_the_sampling_noise_shrinks_as_particles_grow():
    few, many = raced(EDM, particles=100), raced(EDM, particles=3000)
    assert 2.0 < few.floor.sliced / many.floor.sliced < 15.0
    assert few.spread.sliced > 0.0


def climbed(*lanes, nfes=(10, 20, 40, 80, 160), **more):
    asked = TwinRace(lanes, **{"data": "pair", "particles": 256, **more})
    return [made for made in climb(asked, nfes, OrderedDict()) if made is not None]


@pytest.mark.parametrize(("sampler", "nominal"), [("ddim", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_the_measured_order_is_about_the_nominal_one(sampler, nominal):
    (made,) = climbed(replace(EDM, sampler=sampler))
    assert made.nominal == nominal
    assert made.order == pytest.approx(nominal, abs=0.35)
    assert made.error < 0.3
    assert all(r.median > 20 * TOLERANCE for r in (made.rungs[k] for k in made.used))


def test_a_stochastic_lane_has_no_order_but_comes_nearer():
    (made,) = climbed(replace(EDM, sampler="ddpm"), particles=2000, nfes=(5, 20, 80))
    assert made.stochastic and made.order is None
    gaps = [rung.sliced for rung in made.rungs]
    assert gaps[0] > 2 * gaps[-1]


def test_eta_makes_a_lane_stochastic():
    made = raced(replace(EDM, eta=0.5))
    assert made.lanes[0].stochastic and made.lanes[0].rmse is None


@pytest.mark.parametrize(
    ("lane", "said"),
    [
        (Lane("dimm"), "There is no sampler “dimm”"),
        (Lane(spacing="even"), "There is no spacing “even”"),
        (Lane(path="ve"), "no table of times"),
        (Lane(path="flow", spacing="ays"), "Align Your Steps"),
    ],
)
def test_a_lane_that_there_is_not_is_refused_in_words(lane, said):
    with pytest.raises(BadRequest, match=said):
        check(TwinRace((lane,)))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"data": "sea"}, "There is no mixture “sea”"),
        ({"data": "humps"}, "There is no mixture"),
        ({"steering": Steering("cfg", 9)}, "classes 0 to 4"),
    ],
)
def test_a_mixture_or_class_that_there_is_not_is_refused_in_words(more, said):
    with pytest.raises(BadRequest, match=said):
        raced(EDM, **more)


def test_every_mixture_is_told_of_as_it_is_drawn():
    from studio.engine.twin_race import data

    for name in PLANES:
        told = data(name)
        assert sum(told.weights) == pytest.approx(1.0)
        assert len(told.means) == len(told.deviations) == len(told.labels) == len(told.weights)
        assert max(told.labels) == len(told.classes) - 1
    assert {"grid25", "moons", "one", "pinwheel", "digits"} <= set(PLANES)


def test_spacings_that_need_a_table_are_those_that_an_exploding_path_refuses():
    for id in SPACINGS:
        asked = TwinRace((replace(EDM, spacing=id),), particles=100)
        if id in ("karras", "exponential", "beta"):
            check(asked)
        else:
            with pytest.raises(BadRequest):
                check(asked)


# Through the engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    from tests.engine.tiny import exact_folder

    exact_folder(models / "shapes")
    made = LocalEngine(Settings.from_env({}, models=models, threads=2)).start(warm=False)
    yield made
    made.close()


def test_the_engine_races_and_climbs(engine):
    asked = TwinRace((EDM, replace(EDM, sampler="heun", steps=10)), particles=200)
    made = engine.twin.race(asked)
    assert [ran.nfe for ran in made.lanes] == [20, 19]
    assert made.marked == min(MARKED, 200)
    climbs = list(engine.twin.climb(asked, (5, 10, 20)))
    assert [one.index for one in climbs] == [0, 1]
    assert {d.id for d in engine.twin.data()} == set(PLANES)


def test_the_same_race_is_the_same_to_the_last_bit(engine):
    asked = TwinRace((EDM, replace(EDM, sampler="ddpm")), particles=200)
    one, other = engine.twin.race(asked), engine.twin.race(asked)
    assert [ran.cloud for ran in one.lanes] == [ran.cloud for ran in other.lanes]
    assert one.floor == other.floor


def test_arithmetic_on_one_thread_leaves_the_others_their_own(engine):
    before = engine._start_job(_threads).result(60)
    engine.twin.race(TwinRace((EDM,), particles=100))
    assert engine._start_job(_threads).result(60) == before


def _threads(worker):
    yield
    return torch.get_num_threads()


def test_a_ladder_of_too_much_work_is_refused(engine):
    with pytest.raises(OverBudget, match="evaluations on the ladder"):
        engine.twin.climb(TwinRace((EDM,) * 12, particles=5000), (1000,))


def test_a_method_that_runs_away_gets_a_sentence(monkeypatch):
    monkeypatch.setattr("studio.engine.twin_race.SOUND", 1.0)
    with pytest.raises(BadRequest, match="DDIM runs away with 20 steps"):
        raced(EDM)
