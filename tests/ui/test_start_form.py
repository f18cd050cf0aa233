"""What a run starts from, in the form: read, filled, counted, asked for."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from studio.engine.start import steps
from studio.errors import BadRequest
from studio.recipe import Request
from studio.ui import start_answers, start_form, words
from tests.ui.scripted import ScriptedEngine

A, B = "a" * 64, "b" * 64


@pytest.fixture
def engine():
    made = ScriptedEngine()
    yield made
    made.close()


@pytest.fixture
def ask(engine):
    """Question → the page's way to put it."""
    return {function.__name__: function for function in start_answers.for_start(engine)}


def png(colour, size=(40, 20)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def address(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "request_",
    [Request("m", image=A, strength=0.35), Request("m", image=A, mask=B, strength=1.0)],
)
def test_a_start_survives_the_form(engine, request_):
    value = start_form.fill(request_, engine.catalog()[0])
    assert Request("m", **start_form.read(value)) == request_


@pytest.mark.parametrize("value", [None, {}, {"image": ""}, {"mask": B}, [A], "x"])
def test_without_a_picture_a_run_starts_from_noise(value):
    assert start_form.read(value) == {}


def test_the_form_suggests_the_usual_strength_until_there_is_a_picture(engine):
    value = start_form.fill(Request("m", strength=0.2), engine.catalog()[0])
    assert value["strength"] == start_form.USUAL


@pytest.mark.parametrize("strength", [None, "much", True, [1]])
def test_a_strength_that_is_no_number_gets_a_sentence(strength):
    with pytest.raises(BadRequest, match="must be a number") as raised:
        start_form.read({"image": A, "strength": strength})
    said = words.from_sentence(str(raised.value))
    assert said["arguments"]["name"] == {"key": "name_strength", "arguments": {}}


@pytest.mark.parametrize("image", ["../etc/passwd", "short", {"a": 1}])
def test_an_id_that_is_none_is_refused_by_the_request(image):
    with pytest.raises(BadRequest):
        Request("m", **start_form.read({"image": image, "strength": 0.5}))


@pytest.mark.parametrize("count", [1, 7, 20, 50])
@pytest.mark.parametrize("strength", [0.05, 0.35, 0.55, 0.6, 0.75, 1.0])
def test_the_steps_that_are_said_are_those_that_the_engine_runs(count, strength):
    if int(count * strength) < 1:
        with pytest.raises(BadRequest, match="none is left"):
            Request("m", image=A, steps=count, strength=strength)
        return
    request = Request("m", image=A, steps=count, strength=strength)
    assert start_form.total(request) == len(steps(range(count + 1), count, strength)) - 1


def test_strength_says_nothing_about_a_run_from_noise():
    assert start_form.total(Request("m", steps=20, strength=0.5)) == 20


def test_a_given_picture_is_kept_and_shown_whole(engine, ask):
    answer = ask["give"]({"source": address(png("red"))})
    assert (answer["width"], answer["height"]) == (40, 20)
    shown = Image.open(io.BytesIO(base64.b64decode(answer["picture"].partition(",")[2])))
    assert shown.size == (40, 20)
    assert np.asarray(Image.open(io.BytesIO(engine.kept(answer["id"]))))[0, 0].tolist() == [
        255, 0, 0,
    ]  # fmt: skip


def test_a_kept_picture_is_shown_again_with_its_mask(ask):
    image = ask["give"]({"source": address(png("red"))})["id"]
    mask = ask["mask"]({"source": address(png("white"))})["id"]
    answer = ask["look"]({"image": image, "mask": mask})
    assert answer["mask"].startswith("data:image/png") and not answer["lost"]


def test_a_mask_that_is_not_kept_is_told_apart_from_its_picture(ask):
    image = ask["give"]({"source": address(png("red"))})["id"]
    answer = ask["look"]({"image": image, "mask": B})
    assert answer["lost"] and answer["picture"]


@pytest.mark.parametrize(
    "source",
    ["nonsense", address(b"GIF89a"), address(png("red")[:60]), None],
)
def test_what_is_no_picture_gets_a_sentence(ask, source):
    problem = ask["give"]({"source": source})["problem"]
    assert problem["tone"] == "error" and problem["key"].startswith("err_") and problem["text"]
    assert problem == ask["mask"]({"source": source})["problem"]


def test_a_picture_that_is_gone_is_said_in_the_engines_words(engine, ask):
    problem = ask["look"]({"image": A, "mask": ""})["problem"]
    assert problem["key"] == "err_picture_gone"
    assert start_form.missing(engine, Request("m", image=A)) == problem["text"]
    kept = engine.keep(png("blue"))
    assert start_form.missing(engine, Request("m", image=kept)) == ""
    assert start_form.missing(engine, Request("m", image=kept, mask=B)) == problem["text"]
