"""The lanes' controls without a browser: reading them, and the ready-made sets."""

import pytest

from studio.engine import offers, race_rules
from studio.errors import BadRequest, StudioError
from studio.racing import Guidance, Lane, RaceRequest
from studio.ui import race_answers, race_form, race_restore
from tests.ui.scripted import ScriptedEngine

LANE = {"sampler": "heun", "steps": 7, "spacing": "karras", "eta": 0.0, "scale": None}
OTHER = {**LANE, "sampler": "ddim", "eta": 0.5, "scale": 2}


def values(**changes):
    """What the components would hand over, in reading order."""
    editor = {"mode": "steps", "nfe": 20, "lanes": [LANE, OTHER], **changes.pop("editor", {})}
    said = {
        "prompt": " a cat ", "model": "icons-unet", "scale": 5, "seed": "11", "editor": editor,
        "negative": "", "reference": 100, **changes,
    }  # fmt: skip
    return tuple(said.values())


def test_the_controls_make_a_race():
    race = race_form.read(values())
    assert (race.base.prompt, race.base.seed, race.reference) == ("a cat", 11, 100)
    assert race.lanes == (
        Lane("heun", 7, "karras", 0.0, Guidance(scale=5.0)),
        Lane("ddim", 7, "karras", 0.5, Guidance(scale=2.0)),
    )


def test_equal_evaluations_leave_the_steps_to_the_engine():
    race = race_form.read(values(editor={"mode": "nfe", "nfe": 12}))
    assert (race.mode, race.nfe) == ("nfe", 12)
    assert ScriptedEngine().races.fair(race.lanes, race.nfe)[0].steps == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"editor": {"lanes": []}},
        {"editor": {"lanes": [LANE]}},
        {"editor": {"lanes": [LANE] * 13}},
        {"editor": {"lanes": [LANE, 3]}},
        {"editor": {"lanes": "many"}},
        {"editor": {"lanes": [LANE, {**LANE, "steps": 0}]}},
        {"editor": {"lanes": [LANE, {**LANE, "steps": None}]}},
        {"editor": {"lanes": [LANE, {**LANE, "eta": 2}]}},
        {"editor": {"lanes": [LANE, {**LANE, "scale": "much"}]}},
        {"editor": {"mode": "luck"}},
        {"editor": {"mode": "nfe", "nfe": None}},
        {"seed": "x"},
        {"scale": None},
        {"reference": 3},
    ],
    ids=str,
)
def test_what_cannot_be_raced_gets_a_sentence(changes):
    with pytest.raises(StudioError) as raised:
        race_form.read(values(**changes))
    assert str(raised.value).endswith(".")


def test_a_million_lanes_are_not_read():
    with pytest.raises(BadRequest, match="not 13"):
        race_form.read(values(editor={"lanes": [LANE] * 10**6}))


def test_a_lane_is_written_as_it_is_read():
    race = race_form.read(values())
    written = [race_form.written(lane, 5.0) for lane in race.lanes]
    assert written == [{**LANE}, {**OTHER, "scale": 2.0, "steps": 7}]


def test_the_ready_made_sets_name_samplers_that_there_are():
    samplers = {s.id for s in offers.choices().samplers}
    spacings = {s.id for s in offers.choices().spacings}
    for lanes in race_form.PRESETS.values():
        assert {sampler for sampler, _, _ in lanes} <= samplers
        assert {spacing for _, spacing, _ in lanes} <= spacings


def test_no_ready_made_set_has_a_lane_twice():
    for lanes in race_form.PRESETS.values():
        made = [Lane(sampler, 20, spacing, eta) for sampler, spacing, eta in lanes]
        assert race_rules.same(made) == ()


def test_a_lane_of_a_told_recipe_is_what_generate_would_run():
    race = race_form.read(values())
    request = race_answers.lane_of({"recipe": race.to_json(), "lane": 1})
    assert request == race.run(1)
    assert (request.sampler, request.eta, request.guidance.scale) == ("ddim", 0.5, 2.0)


@pytest.mark.parametrize("lane", [-1, 2, 0.5, True, None, "0"])
def test_a_lane_that_is_not_there_gets_a_sentence(lane):
    race: RaceRequest = race_form.read(values())
    with pytest.raises(StudioError):
        race_answers.lane_of({"recipe": race.to_json(), "lane": lane})


def test_the_editor_is_told_fair_steps_and_equal_lanes():
    (check,) = race_answers.for_editor(ScriptedEngine())
    lanes = [LANE, OTHER, LANE]
    answer = check({"value": {"mode": "nfe", "nfe": 10, "lanes": lanes}, "scale": 5})
    assert answer["steps"] == [5, 10, 5]
    assert [group["lanes"] for group in answer["same"]] == [[0, 2]]


def test_the_editor_is_told_what_is_wrong():
    (check,) = race_answers.for_editor(ScriptedEngine())
    answer = check({"value": {"mode": "nfe", "nfe": "?", "lanes": [LANE]}, "scale": None})
    assert answer["problem"]["key"]


def test_frames_are_given_by_an_id_that_exists():
    frames, *_ = race_answers.for_stage(ScriptedEngine())
    answer = frames({"race": "guess", "lane": 0, "what": "x0", "start": 0, "stop": 2})
    assert answer["problem"]["tone"] == "error"


@pytest.mark.parametrize("said", [None, "5", [5, "10"], [5.0]])
def test_a_ladder_is_a_list_of_whole_numbers(said):
    with pytest.raises(StudioError):
        race_answers.ladder_of(said)


@pytest.mark.parametrize("mode", ["steps", "nfe"])
def test_a_recipe_comes_back_into_the_controls_and_makes_the_same_race(mode):
    race = race_form.read(values(editor={"mode": mode, "nfe": 12}))
    again, said = race_restore.filled(ScriptedEngine(), RaceRequest.from_json(race.to_json()))
    assert race_form.read(list(again.values())) == race
    assert said["key"] == "race_restored" and said["arguments"]["n"] == 2


def test_what_the_form_has_no_field_for_is_said_to_be_left_out():
    race = race_form.read(values())
    told = race.with_(base=race.base.with_(width=128, height=128))  # the checkpoint's own size
    assert race_restore.filled(ScriptedEngine(), told)[1]["key"] == "race_restored"
    larger = race.with_(base=race.base.with_(width=256, height=128))
    assert race_restore.filled(ScriptedEngine(), larger)[1]["key"] == "race_restored_part"
    with pytest.raises(BadRequest, match="no checkpoint “gone”"):
        race_restore.filled(ScriptedEngine(), race.with_(base=race.base.with_(model="gone")))
