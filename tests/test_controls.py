"""What steers a run: ranges, JSON round trip, and the steps in which a control acts."""

import json

import pytest

from studio.controls import MAX_CONTROLS, Control
from studio.errors import BadRecipe, BadRequest
from studio.recipe import Request

A, B = "a" * 64, "b" * 64


def test_a_recipe_with_pictures_and_controls_survives_its_json():
    control = Control("icons-control-canny", A, "canny", {"low": 100, "high": 200}, 0.8, 0.1, 0.9)
    request = Request("m", image=A, mask=B, strength=0.5, controls=(control,))
    again = Request.from_json(request.to_json())
    assert again == request
    assert again.controls[0].settings == (("high", 200.0), ("low", 100.0))


@pytest.mark.parametrize(
    "change",
    [
        {"image": "../../etc/passwd"},
        {"image": 7},
        {"image": "A" * 64},
        {"mask": A},
        {"image": A, "strength": 1.5},
        {"image": A, "strength": float("nan")},
        {"image": A, "strength": 0.04, "steps": 20},
        {"controls": "canny"},
        {"controls": [{"model": "m"}]},
        {"controls": [{"model": "m", "image": A, "path": "/"}]},
        {"controls": [{"model": "m", "image": A, "scale": 3}]},
        {"controls": [{"model": "m", "image": A, "start": 0.8, "end": 0.2}]},
        {"controls": [{"model": "m", "image": A, "settings": {"low": "x"}}]},
        {"controls": [{"model": "m", "image": A, "settings": "low"}]},
        {"controls": [{"model": "m", "image": A, "guess": 1}]},
        {"controls": [{"model": "m", "image": A}] * (MAX_CONTROLS + 1)},
    ],
    ids=json.dumps,
)
def test_values_out_of_range_are_refused_with_a_sentence(change):
    with pytest.raises(BadRequest, match=r"[.]$"):
        Request("m", **change)
    with pytest.raises(BadRecipe, match=r"[.]$"):
        Request.from_json(json.dumps({"model": "m", "version": 1, **change}))


@pytest.mark.parametrize(
    ("start", "end", "acting"),
    [(0.0, 1.0, range(10)), (0.2, 0.5, range(2, 5)), (0.25, 0.55, range(3, 5)), (0.5, 0.5, ())],
)
def test_a_control_acts_in_the_steps_within_its_start_and_end(start, end, acting):
    control = Control("m", A, start=start, end=end)
    assert [k for k in range(10) if control.active(k, 10)] == list(acting)


def test_a_control_of_scale_nought_never_acts():
    assert not Control("m", A, scale=0.0).active(0, 1)
