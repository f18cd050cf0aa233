"""The stage's server side: the bundled run, frames, films and pictures by a run's id."""

import base64
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from studio.contract import Finished, Request
from studio.store.files import read_recipe
from studio.ui import player
from studio.ui.visitors import Visitors
from tests.ui import drawings
from tests.ui.scripted import ScriptedEngine, record


@pytest.fixture(scope="module")
def held():
    """A finished run of two pictures on a scripted engine, and the visitors who hold it."""
    engine = ScriptedEngine(pace=0.0)
    visitors = Visitors(engine)
    run = engine.submit(Request("icons-unet", "red apple", seed=3, steps=4, count=2))
    visitors.begin("me", run)
    for event in engine.events(run):
        if isinstance(event, Finished):
            visitors.keep(event)
    return engine, visitors, run


def test_the_bundled_run_is_there_and_whole():
    message = player.recorded(player.FIRST_RUN)
    assert message["kind"] == "recorded"
    names = [message["picture"], *(s[w] for s in message["steps"] for w in ("xt", "x0"))]
    assert all((player.FIRST_RUN / name.rpartition("/")[2]).is_file() for name in names)


def test_a_missing_recorded_run_leaves_an_empty_stage(tmp_path):
    assert player.recorded(tmp_path / "nothing")["kind"] == "empty"


def test_a_damaged_recorded_run_leaves_an_empty_stage(tmp_path):
    record(tmp_path)
    (tmp_path / "x0-004.jpg").unlink()
    assert player.recorded(tmp_path)["kind"] == "empty"


def test_a_recorded_run_cannot_name_a_file_outside_its_folder(tmp_path):
    (tmp_path / "run").mkdir()
    record(tmp_path / "run")
    manifest = tmp_path / "run" / "run.json"
    shutil.copy(tmp_path / "run" / "picture.png", tmp_path / "secret.png")
    said = json.loads(manifest.read_text())
    said["picture"] = "../secret.png"
    manifest.write_text(json.dumps(said))
    assert player.recorded(tmp_path / "run")["kind"] == "empty"


def test_frames_come_as_data(held):
    engine, _, run = held
    ask = {"run": run, "what": "x0", "picture": 1, "start": 1, "stop": 3}
    frames = player._frames(engine)(ask)["frames"]
    assert len(frames) == 2
    pixels = Image.open(io.BytesIO(base64.b64decode(frames[0].partition(",")[2])))
    share = drawings.level(1, 4)[0]
    expected = drawings.guess(drawings.drawing("red apple", 4), share)
    assert np.array_equal(np.asarray(pixels), expected)


@pytest.mark.parametrize(
    "ask",
    [
        {"run": "nobody's", "what": "x0", "picture": 0, "start": 0, "stop": 1},
        {"run": 7, "what": "x0", "picture": 0, "start": 0, "stop": 1},
        {"what": "x0"},
        {"run": "r", "what": "../../etc", "picture": 0, "start": 0, "stop": 1},
        {"run": "r", "what": "x0", "picture": "first", "start": 0, "stop": 1},
        {},
        None,
    ],
)
def test_a_bad_question_gets_a_sentence(held, ask):
    answer = player._frames(held[0])(ask)
    assert set(answer) == {"problem"}


def test_one_call_hands_out_a_bounded_number_of_frames(held):
    engine, _, _ = held
    run = engine.submit(Request("icons-unet", "pizza", steps=100))
    list(engine.events(run))
    ask = {"run": run, "what": "x0", "picture": 0, "start": 0, "stop": 10_000}
    assert len(player._frames(engine)(ask)["frames"]) == player.FRAMES_AT_ONCE


def test_a_picture_comes_with_the_recipe_that_makes_it_alone(held):
    _, visitors, run = held
    answer = player._picture(visitors)({"run": run, "picture": 1})
    recipe = Request.from_json(read_recipe(base64.b64decode(answer["data"])))
    assert (recipe.seed, recipe.count, answer["name"]) == (4, 1, "red-apple-s4.png")


def test_a_film_of_what_is_no_film_gets_a_sentence(held):
    engine, visitors, run = held
    ask = {"run": run, "kind": "exe", "what": "x0", "picture": 0}
    assert "problem" in player._film(engine, visitors)(ask)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("Red Apple", "red-apple-s0.png"),
        ("", "unprompted-s0.png"),
        ("../../etc/passwd", "etc-passwd-s0.png"),
        ('a"b\r\nc', "a-b-c-s0.png"),
        ("猫", "猫-s0.png"),
    ],
)
def test_a_download_has_a_short_safe_name(prompt, name):
    assert player.file_name(Request("m", prompt), "png") == name


def test_large_frames_travel_as_jpeg():
    out = io.BytesIO()
    Image.new("RGB", (512, 512)).save(out, "PNG")
    assert player.light(out.getvalue()).startswith("data:image/jpeg")
