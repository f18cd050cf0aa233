"""Axes: what may be typed, what is refused in words, and what a value does to a request."""

import pytest

from studio.axes import FIELDS, MAX_VALUES, Axis, parse, put
from studio.controls import Control
from studio.errors import BadRequest
from studio.recipe import Guidance, Request

NAMES = {
    "sampler": (("ddim", "DDIM"), ("dpmpp_2m", "DPM-Solver++ 2M"), ("heun", "Heun")),
    "spacing": (("trailing", "Trailing"), ("karras", "Karras")),
    "model": (("icons-unet", "Icons UNet"),),
    "style": (("none", "none"), ("noto", "noto")),
}
BASE = Request(
    "icons-unet",
    prompt="a red apple and a red hat",
    guidance=Guidance(rescale=0.3),
    controls=(Control("canny", "0" * 64),),
)


@pytest.mark.parametrize(
    "field, typed, values",
    [
        ("guidance", "1,3,5", ("1", "3", "5")),
        ("guidance", " 7.50 , 1 ", ("7.5", "1")),
        ("guidance", "1-4", ("1", "2", "3", "4")),
        ("guidance", "1 - 2 (+0.5)", ("1", "1.5", "2")),
        ("rescale", "0-1 [5]", ("0", "0.25", "0.5", "0.75", "1")),
        ("steps", "10-50 (+10)", ("10", "20", "30", "40", "50")),
        ("steps", "4-1", ("4", "3", "2", "1")),
        ("steps", "5，10、20", ("5", "10", "20")),
        ("seed", "1, 1, 2", ("1", "2")),
        ("seed", "9007199254740993-9007199254740994", ("9007199254740993", "9007199254740994")),
        ("interval", "0-1, 0.2 - 0.80", ("0-1", "0.2-0.8")),
        ("size", "128, 192x128, 64 × 32", ("128×128", "192×128", "64×32")),
        ("sampler", "DDIM, dpm-solver++ 2m, HEUN", ("ddim", "dpmpp_2m", "heun")),
        ("model", "Icons UNet", ("icons-unet",)),
        ("words", "red | blue|dark green", ("red", "blue", "dark green")),
        ("negative", "|blurry", ("", "blurry")),
        ("prompt", "one, two", ("one, two",)),
    ],
)
def test_values_are_read_as_people_type_them(field, typed, values):
    assert parse(field, typed, NAMES).values == values


@pytest.mark.parametrize(
    "field, typed, says",
    [
        ("guidance", "", "no values"),
        ("prompt", "  ", "no values"),
        ("guidance", "1,x", "“x” is no value of the guidance scale"),
        ("steps", "1.5", "whole numbers"),
        ("seed", "1-4.5", "whole numbers"),
        ("steps", "1-1000", f"at most {MAX_VALUES} values"),
        ("seed", ",".join(map(str, range(65))), f"at most {MAX_VALUES} values"),
        ("rescale", "0-1 (+0)", "never ends"),
        ("rescale", "0-1 [1]", "no range"),
        ("sampler", "ddim, fancy", "no sampler “fancy”"),
        ("words", "red", "at least two"),
        ("words", "|red", "at least two"),
        ("interval", "0.5", "no interval"),
        ("size", "wide", "no size"),
        ("colour", "1", "no axis “colour”"),
        ("prompt", "x" * 20_001, "too long"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(field, typed, says):
    with pytest.raises(BadRequest, match=says):
        parse(field, typed, NAMES)


@pytest.mark.parametrize("field", FIELDS)
def test_each_fields_own_example_can_be_read_and_put_in(field):
    axis = parse(field, FIELDS[field].example, NAMES)
    for text in axis.values:
        put(BASE, [(axis, text)])


@pytest.mark.parametrize(
    "field, text, changed",
    [
        ("prompt", "a pear", {"prompt": "a pear"}),
        ("negative", "blurry", {"negative_prompt": "blurry"}),
        ("guidance", "3", {"guidance": Guidance(scale=3.0, rescale=0.3)}),
        ("rescale", "0.5", {"guidance": Guidance(rescale=0.5)}),
        ("interval", "0.2-0.8", {"guidance": Guidance(rescale=0.3, interval=(0.2, 0.8))}),
        ("steps", "7", {"steps": 7}),
        ("sampler", "heun", {"sampler": "heun"}),
        ("spacing", "karras", {"spacing": "karras"}),
        ("eta", "0.5", {"eta": 0.5}),
        ("seed", "9", {"seed": 9}),
        ("model", "other", {"model": "other"}),
        ("size", "64×32", {"width": 64, "height": 32}),
        ("label", "7", {"label": 7}),
        ("handover", "0.5", {"handover": 0.5}),
        ("strength", "0.5", {"strength": 0.5}),
        ("control", "0.5", {"controls": (Control("canny", "0" * 64, scale=0.5),)}),
        ("style", "noto", {"prompt": f"{BASE.prompt} in noto style"}),
        ("style", "none", {}),
    ],
)
def test_a_value_changes_its_own_field_alone(field, text, changed):
    assert put(BASE, [(Axis(field, (text,)), text)]) == BASE.with_(**changed)


def test_a_control_scale_needs_a_control():
    with pytest.raises(BadRequest, match="No picture controls"):
        put(BASE.with_(controls=()), [(Axis("control", ("1",)), "1")])


def test_another_prompt_is_no_outcome_of_the_old_template():
    written = BASE.with_(template="a {red|blue} apple")
    for axis in (Axis("prompt", ("x",)), Axis("words", ("red", "x")), Axis("style", ("noto",))):
        assert put(written, [(axis, axis.values[-1])]).template == ""


def test_words_are_replaced_wherever_they_stand():
    axis = Axis("words", ("red", "blue"))
    assert put(BASE, [(axis, "blue")]).prompt == "a blue apple and a blue hat"
    assert put(BASE, [(axis, "red")]).prompt == BASE.prompt


def test_words_that_the_prompt_does_not_hold_are_refused():
    axis = Axis("words", ("green", "blue"))
    with pytest.raises(BadRequest, match="does not contain “green”"):
        put(BASE, [(axis, "blue")])


def test_a_prompt_goes_in_before_words_are_replaced_in_it():
    words, prompts = Axis("words", ("red", "blue")), Axis("prompt", ("a red pear",))
    chosen = [(words, "blue"), (prompts, "a red pear")]
    assert put(BASE, chosen).prompt == put(BASE, chosen[::-1]).prompt == "a blue pear"


def test_a_text_of_a_file_is_checked_like_a_typed_one():
    with pytest.raises(BadRequest, match="no value of the number of steps"):
        put(BASE, [(Axis("steps", ("many",)), "many")])
    with pytest.raises(BadRequest, match="between 1 and 1000"):
        put(BASE, [(Axis("steps", ("0",)), "0")])
