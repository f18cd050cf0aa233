"""A race's events as messages: whole numbers every time, pictures once, all of them at the end."""

import json
import math
from dataclasses import replace

import pytest

from studio import racing as r
from studio.contract import Request
from studio.ui import race_messages, stream
from studio.ui.race_lanes import FIRST_RACE
from tests.ui.scripted import ScriptedEngine


def raced(prompt="red apple", **changes):
    """(request, every event) of a scripted race without a pace."""
    engine = ScriptedEngine(pace=0.0)
    request = engine.races.default(Request("icons-unet", prompt, seed=3)).with_(**changes)
    race = engine.races.submit(request)
    return engine, request, list(engine.races.events(race))


def board(engine, events):
    return race_messages.Board(events[0].race, 4, engine.choices())


def test_the_last_message_is_whole():
    engine, _, events = raced()
    told = board(engine, events)
    for event in events:
        message = told.tell([event])
    json.dumps(message, allow_nan=False)
    assert (message["kind"], message["number"]) == ("finished", 4)
    assert [lane["state"] for lane in message["lanes"]] == ["done"] * 6
    assert {one["lane"] for one in message["pictures"]} == set(range(6))
    assert len(message["result"]["rows"]) == 6
    assert message["result"]["references"][0]["png"].startswith("data:image/")


def test_a_step_tells_its_lane_and_sends_its_frame_once():
    engine, request, events = raced()
    told = board(engine, events)
    told.opening(request)
    step = next(event for event in events if isinstance(event, r.LaneStep) and event.lane == 1)
    first = told.tell([step])
    assert first["lanes"][1]["nfe"] == step.nfe
    assert first["lanes"][1]["trail"] == [[step.nfe, step.logsnr, step.index]]
    assert [(f["lane"], f["index"]) for f in first["frames"]] == [(1, 0)]
    other = next(event for event in events if isinstance(event, r.LaneStep) and event.lane == 2)
    assert [f["lane"] for f in told.tell([other])["frames"]] == [2]


def test_a_lane_is_said_in_the_words_of_the_lists():
    engine, _, _ = raced()
    said = race_messages.described(r.Lane("ddim", 9, "karras", 0.5), engine.choices())
    assert (said["label"], said["spaced"], said["noisy"], said["eta"]) == (
        "DDIM", "Karras", True, 0.5,
    )  # fmt: skip
    assert race_messages.described(r.Lane("heun", eta=0.5), engine.choices())["eta"] is None


def test_a_failed_race_leaves_no_lane_going():
    engine, _, events = raced("broken apple")
    message = board(engine, events).tell(events)
    assert message["kind"] == "failed" and message["message"]["text"]
    assert {lane["state"] for lane in message["lanes"]} == {"failed"}


def test_no_infinity_reaches_the_page():
    assert race_messages.finite(math.inf) is None and race_messages.finite(1.5) == 1.5
    engine, _, events = raced()
    result = events[-1].result
    row = replace(result.rows[0], psnr=math.inf, rmse=0.0)
    said = race_messages.result(replace(result, rows=(row,)), engine.choices())
    json.dumps(said, allow_nan=False)
    assert said["rows"][0]["psnr"] == race_messages.BEST


def test_events_that_come_together_are_told_together():
    def events():
        yield from range(5)

    assert [x for batch in stream.batches(events(), every=0.0) for x in batch] == [0, 1, 2, 3, 4]
    clock = iter([0.0, 0.0, *[10.0] * 50])
    held = list(stream.batches(events(), every=0.01, clock=lambda: next(clock)))
    assert [x for batch in held for x in batch] == [0, 1, 2, 3, 4]


def test_what_reading_raises_is_raised():
    def events():
        yield 1
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        list(stream.batches(events(), every=0.0))


def test_a_recorded_race_that_is_damaged_leaves_the_stage_empty(tmp_path):
    assert race_messages.recorded(tmp_path)["kind"] == "empty"
    told = {"frames": [{"lane": 0, "index": 0, "x0": "../secret.jpg"}], "pictures": [],
            "result": {"references": []}}  # fmt: skip
    (tmp_path / "race.json").write_text(json.dumps(told))
    assert race_messages.recorded(tmp_path)["kind"] == "empty"


def test_the_bundled_race_plays_and_its_recipe_can_still_be_run():
    told = race_messages.recorded(FIRST_RACE)
    assert told["kind"] == "recorded" and len(told["lanes"]) == 6
    request = r.RaceRequest.from_json(told["request"]["recipe"])
    assert [lane["sampler"] for lane in told["lanes"]] == [lane.sampler for lane in request.lanes]
    assert sum(path.stat().st_size for path in FIRST_RACE.iterdir()) < 300_000
