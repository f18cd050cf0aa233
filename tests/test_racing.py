"""The recipe of a race: its ranges, its sums and its JSON."""

import json

import pytest

from studio.errors import BadRecipe, BadRequest, OverBudget
from studio.race_recipe import check_work
from studio.racing import Lane, RaceRequest
from studio.recipe import MAX_WORK, Guidance, Request

BASE = Request("m", "red apple", seed=5)
LANES = (Lane("ddim"), Lane("heun", 10, "karras", guidance=Guidance(scale=2.0)))


def test_it_goes_through_json_and_back():
    asked = RaceRequest(BASE, LANES, "nfe", 30, "xt", 100, (5, 10))
    assert RaceRequest.from_json(asked.to_json()) == asked


def test_a_lane_is_the_request_that_generate_would_run():
    assert RaceRequest(BASE, LANES).run(1) == BASE.with_(
        sampler="heun", steps=10, spacing="karras", guidance=Guidance(scale=2.0)
    )


def test_a_label_says_what_the_lane_is():
    assert Lane("ddim", 7, eta=0.5).label == "ddim · 7 steps · trailing · η 0.5 · cfg 5"
    assert Lane("heun", 3, guidance=Guidance("none")).label == "heun · 3 steps · trailing · no cfg"


@pytest.mark.parametrize(
    "changes",
    [
        {"lanes": LANES[:1]},
        {"lanes": LANES * 7},
        {"lanes": "ddim"},
        {"lanes": (3, 4)},
        {"base": BASE.with_(count=2)},
        {"mode": "seconds"},
        {"shown": "everything"},
        {"nfe": 0},
        {"reference": 5},
        {"ladder": (0,)},
        {"ladder": (5,) * 13},
        {"ladder": ("x",)},
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(changes):
    with pytest.raises(BadRequest):
        RaceRequest(**{"base": BASE, "lanes": LANES} | changes)


@pytest.mark.parametrize("bad", [{"steps": 0}, {"eta": 2.0}, {"sampler": 7}, {"spacing": None}])
def test_a_lane_keeps_to_its_ranges(bad):
    with pytest.raises(BadRequest):
        Lane(**{"sampler": "ddim"} | bad)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(colour=1),
        lambda d: d.pop("base"),
        lambda d: d["base"].update(version=9),
        lambda d: d["lanes"][0].update(colour=1),
        lambda d: d["lanes"].clear(),
        lambda d: d.update(nfe="many"),
    ],
)
def test_a_changed_recipe_is_refused_in_words(change):
    data = json.loads(RaceRequest(BASE, LANES).to_json())
    change(data)
    with pytest.raises(BadRecipe):
        RaceRequest.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "[" * 5000, "x" * 200_000])
def test_what_is_no_recipe_is_refused(text):
    with pytest.raises(BadRecipe):
        RaceRequest.from_json(text)


def test_the_work_is_the_sum_of_lanes_references_and_ladder():
    asked = RaceRequest(BASE, LANES, reference=100, ladder=(10, 20))
    evaluations = (20 * 1 + 10 * 2) + 2 * (100 + 50) + 2 * (10 + 20)
    side = int((4 * MAX_WORK / evaluations) ** 0.5)
    check_work(asked, side, side, [1, 2])
    with pytest.raises(
        OverBudget, match=r"lanes ask 40 times, the references 300 and the ladder 60"
    ):
        check_work(asked, side + 2, side + 2, [1, 2])
