"""The recipe: its JSON and back, every range, and what fuzzed JSON may lead to."""

import json
import math
import pickle
import random
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from studio.adapting import Adapter
from studio.errors import BadRecipe, BadRequest, OverBudget, StudioError
from studio.recipe import (
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_PROMPT,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    MAX_WORK,
    Control,
    Framing,
    Guidance,
    Request,
    check_work,
)

PLAIN = Request(model="icons-unet")
FULL = Request(
    model="icons-unet",
    prompt='a "red" apple, 红苹果 \U0001f34e\n\\',
    negative_prompt="text, \u2028 watermark",
    label=207,
    seed=2**53 + 1,  # more than a float keeps
    width=256,
    height=64,
    count=4,
    sampler="heun",
    eta=0.25,
    spacing="karras",
    steps=31,
    guidance=Guidance("cfg", 7.5, 0.7, (0.1, 0.9), 3),
    image="a" * 64,
    strength=0.5,
    mask="b" * 64,
    controls=(Control("icons-control-canny", "c" * 64, "canny", (("low", 100.0),), 0.5),),
    framing=Framing((512, 768), (0, 32), (1024, 1024), 7.0, 1.5),
    refiner="sdxl-refiner",
    handover=0.7,
    alone=True,
    template='a "red" {apple|pear}',
    adapters=(Adapter("ink", 0.75), Adapter("gloss", -0.5)),
    vae="other-vae",
)


@pytest.mark.parametrize("request_", [PLAIN, FULL])
def test_json_gives_the_same_request_back(request_):
    assert Request.from_json(request_.to_json()) == request_


def test_the_full_example_sets_every_field():
    same = [f.name for f in fields(Request) if getattr(FULL, f.name) == getattr(PLAIN, f.name)]
    assert same == ["model", "version"]


def test_json_is_one_line():
    assert "\n" not in FULL.to_json()


def test_json_has_every_field():
    assert set(json.loads(PLAIN.to_json())) == {f.name for f in fields(Request)}


def test_a_request_survives_pickle():
    assert pickle.loads(pickle.dumps(FULL)) == FULL


def test_a_request_is_frozen():
    with pytest.raises(FrozenInstanceError):
        PLAIN.seed = 1


def test_fields_that_are_left_out_take_their_defaults():
    assert Request.from_json('{"model":"icons-unet","version":1}') == PLAIN


def test_a_changed_copy_is_checked_again():
    assert PLAIN.with_(steps=5).steps == 5
    with pytest.raises(BadRequest):
        PLAIN.with_(steps=0)


GOOD_EDGES = [
    {"steps": 1},
    {"steps": MAX_STEPS},
    {"count": MAX_COUNT},
    {"seed": MAX_SEED - MAX_COUNT},
    {"width": 32, "height": 32},
    {"width": MAX_SIDE, "height": 0},
    {"eta": 1},
    {"eta": 0.0},
    {"prompt": "x" * MAX_PROMPT},
    {"guidance": Guidance("none", 1.0)},
    {"guidance": Guidance(scale=MAX_GUIDANCE, rescale=1.0, interval=(0.5, 0.5))},
    {"guidance": {"scale": 3, "interval": [0, 1]}},
]


@pytest.mark.parametrize("change", GOOD_EDGES, ids=str)
def test_the_edges_of_every_range_are_allowed(change):
    Request(model="m", **change)


NAN, INF = math.nan, math.inf
BAD = (
    [{"model": v} for v in (None, 3, ["m"], b"m")]
    + [{"prompt": v} for v in (None, 3, "x" * (MAX_PROMPT + 1), "a\ud800b")]
    + [{"negative_prompt": v} for v in (None, {}, "x" * (MAX_PROMPT + 1), "\udfff")]
    + [{"sampler": v} for v in (None, 1, [])]
    + [{"spacing": v} for v in (None, 1, {})]
    + [{"seed": v} for v in (-1, MAX_SEED, 10**400, 1.5, "1", None, True, NAN)]
    + [{"steps": v} for v in (0, -1, MAX_STEPS + 1, 20.0, "20", None, False, INF)]
    + [{"count": v} for v in (0, MAX_COUNT + 1, 1.0, True)]
    + [{"width": v} for v in (-8, 8, 24, 33, 100, MAX_SIDE + 8, 64.0, "64", True)]
    + [{"height": v} for v in (-8, 8, 24, 33, 100, MAX_SIDE + 8, 64.0, "64", True)]
    + [{"eta": v} for v in (-0.1, 1.1, NAN, INF, -INF, "0", None, True, 10**400)]
    + [{"alone": v} for v in (0, 1, "yes", None)]
    + [{"version": v} for v in (0, 2, "1", 1.0, True, None)]
    + [{"guidance": v} for v in (None, 5.0, "cfg", [], {"power": 3}, {"interval": 1})]
    + [{"guidance": {"kind": v}} for v in ("magic", None, 1, [])]
    + [{"guidance": {"scale": v}} for v in (-1, MAX_GUIDANCE + 1, NAN, INF, "5", True, None)]
    + [{"guidance": {"rescale": v}} for v in (-0.1, 1.1, NAN, "0", False)]
    + [
        {"guidance": {"interval": v}}
        for v in ((), (0.5,), (0, 1, 1), (0.9, 0.1), (-0.1, 1), (0, 1.1), (NAN, 1), "01", ("0", 1))
    ]
)


@pytest.mark.parametrize("change", BAD, ids=lambda change: str(change)[:60])
def test_whatever_is_out_of_range_is_refused_in_a_sentence(change):
    with pytest.raises(BadRequest) as caught:
        Request(**{"model": "m", **change})
    said = str(caught.value)
    assert said.endswith(".") and 15 < len(said) < 250


def test_the_product_is_bounded_too():
    with pytest.raises(OverBudget, match=r"times what one run may take; lower one"):
        Request(model="m", width=2048, height=2048, steps=1000, count=16)


def test_the_budget_is_exact():
    request = Request(model="m", width=512, height=512, steps=50, count=16)
    check_work(request, 512, 512)
    assert MAX_WORK == 512 * 512 * 50 * 16
    with pytest.raises(OverBudget):
        check_work(request, 512, 520)


def test_a_default_size_is_checked_once_it_is_known():
    request = Request(model="m", steps=1000, count=16)
    with pytest.raises(OverBudget):
        check_work(request, 512, 512)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[" * 50_000, "not valid JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "names no version"),
        ('{"model":"m","version":2}', "version “2”"),
        ('{"model":"m","version":true}', "version “true”"),
        ('{"model":"m","version":1.0}', "version “1.0”"),
        ('{"version":1}', "names no model"),
        ('{"model":"m","version":1,"path":"/etc/passwd"}', "unknown field: “path”"),
        ('{"model":"m","version":1,"steps":0}', "cannot be run: The number of steps"),
        ('{"model":"m","version":1,"eta":NaN}', "cannot be run: The η"),
        ('{"model":"m","version":1,"prompt":"\\ud800"}', "cannot be run: The prompt"),
        ('{"model":"m","version":1,"seed":1' + "0" * 6000 + "}", "BadRecipe|not valid|seed"),
        (" " * 100_001, "longer than any"),
    ],
    ids=lambda value: value[:40],
)
def test_json_that_is_no_recipe_is_refused_by_what_is_wrong_with_it(text, said):
    with pytest.raises(BadRecipe, match=said):
        Request.from_json(text)


def test_a_recipe_over_the_budget_is_a_bad_recipe():
    text = PLAIN.to_json().replace('"steps":20', '"steps":1000')
    text = text.replace('"width":0', '"width":2048').replace('"height":0', '"height":2048')
    with pytest.raises(BadRecipe, match="times what one run may take"):
        Request.from_json(text)


VALUES = [None, True, -1, 0, 1, 7, 2**63, 10**30, -0.0, 0.5, 1e308, NAN, INF, "", "cfg", "none"]
VALUES += ["\ud800", "ddim", "x" * 3000, [], [0, 1], [1, 0], [[]], {}, {"kind": "cfg"}]


def spoiled(draw: random.Random) -> str:
    """A recipe with some values exchanged, fields gone or new, and now and then torn bytes."""
    data = json.loads(draw.choice([PLAIN, FULL]).to_json())
    for _ in range(draw.randint(1, 3)):
        into = data["guidance"] if draw.random() < 0.3 and "guidance" in data else data
        if not isinstance(into, dict):
            into = data
        name = draw.choice([*into, "extra"]) if into else "extra"
        if draw.random() < 0.1:
            into.pop(name, None)
        else:
            into[name] = draw.choice(VALUES)
    text = json.dumps(data)
    if draw.random() < 0.2:
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(["", "{", '"', "\\", "\0", "9" * 5000]) + text[at + 1 :]
    return text


def test_fuzzed_json_gives_a_runnable_request_or_a_sentence():
    draw = random.Random(2)
    read = 0
    for _ in range(10_000):
        text = spoiled(draw)
        try:
            request = Request.from_json(text)
        except BadRecipe as error:
            assert len(str(error)) < 400
            continue
        read += 1
        assert Request.from_json(request.to_json()) == request
        replace(request)  # passes every check once more
        request.to_json().encode("utf-8")
    assert 200 < read < 9000


def test_bad_requests_are_studio_errors():
    assert issubclass(OverBudget, BadRequest) and issubclass(BadRequest, StudioError)
