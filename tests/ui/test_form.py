"""The form: what the controls say, and a request put back into them."""

from dataclasses import replace

import pytest

from studio.contract import Guidance, Request
from studio.errors import BadRequest
from studio.ui import form
from tests.ui.scripted import ScriptedEngine

INFO = ScriptedEngine().catalog()[0]
FIELDS = [name for name in form.Form.__slots__]


def values(request: Request, **more) -> tuple:
    filled = {**form.fill(request, INFO), "preview": "auto", "anatomy": False, **more}
    return tuple(filled[name] for name in FIELDS)


def test_a_request_survives_the_form():
    request = Request(
        "icons-unet", "a cat", negative_prompt="blue", label=3, seed=7, width=128, height=96,
        count=3, sampler="heun", eta=0.5, spacing="karras", steps=12,
        guidance=Guidance(scale=3.5, rescale=0.2, interval=(0.1, 0.9)),
    )  # fmt: skip
    assert form.read(values(request))[0] == request


def test_the_list_of_classes_is_shown_where_there_are_any():
    assert not form.classes(INFO)["visible"]
    known = replace(INFO, conditions="class", classes=("ash", "", "birch"))  # 1 was never taught
    assert form.classes(known, 2) == {
        "choices": [("ash", 0), ("birch", 2)],
        "value": 2,
        "visible": True,
    }


def test_a_scale_that_is_an_input_is_shown_as_the_scale():
    request = Request("icons-unet", guidance=Guidance(kind="embedded", scale=3.5))
    assert form.fill(request, INFO)["scale"] == 3.5


def test_no_size_in_the_recipe_is_the_models_own():
    assert form.fill(Request("icons-unet"), INFO)["width"] == INFO.size


def test_guidance_of_kind_none_is_scale_one():
    request = Request("icons-unet", guidance=Guidance(kind="none", scale=9.0))
    assert form.fill(request, INFO)["scale"] == 1.0


def test_the_view_is_read_beside_the_request():
    view = form.read(values(Request("icons-unet"), preview="rgb", anatomy=True))[1]
    assert (view.preview, view.anatomy) == ("rgb", True)


@pytest.mark.parametrize(
    ("given", "number"), [(20, 20), (20.0, 20), ("20", 20), (" 7 ", 7), ("-3", -3)]
)
def test_a_whole_number_is_read_in_any_dress(given, number):
    assert form.whole("seed", given) == number


@pytest.mark.parametrize("given", ["lucky", "1e9", 2.5, "2.5", "٣", True, "9" * 99, [1]])
def test_what_is_no_whole_number_gets_a_sentence(given):
    with pytest.raises(BadRequest, match="must be a whole number"):
        form.whole("seed", given)


@pytest.mark.parametrize("given", [None, "", "  "])
def test_an_emptied_whole_number_gets_a_sentence(given):
    with pytest.raises(BadRequest, match="is empty; give a whole number"):
        form.whole("seed", given)


@pytest.mark.parametrize("name", ["scale", "rescale", "low", "high", "eta"])
def test_an_emptied_number_gets_a_sentence(name):
    with pytest.raises(BadRequest, match="is empty; give a number"):
        form.read(values(Request("icons-unet"), **{name: None}))


def test_the_dice_throws_numbers_that_a_recipe_takes():
    assert all(Request("m", seed=int(form.another_seed())) for _ in range(50))


def test_the_usual_samplers_come_first_and_the_others_are_told_as_folded():
    choices = ScriptedEngine().choices()
    ordered = [s.id for s in form.usual_first(choices.samplers)]
    assert ordered[: len(form.USUAL)] == list(form.USUAL)
    assert sorted(ordered) == sorted(s.id for s in choices.samplers)
    folded = {id: form.method(choices, id)["folded"] for id in ordered}
    assert folded == {id: id not in form.USUAL for id in ordered}


def test_a_spacing_is_explained():
    choices = ScriptedEngine().choices()
    assert form.spaced(choices, "karras") == {"kind": "hint", "hint": "even in σ^(1/7)"}
    assert form.spaced(choices, "none such") == {"kind": "none"}


def test_an_unknown_sampler_has_no_note():
    assert form.method(ScriptedEngine().choices(), "none such") == {"kind": "none"}
