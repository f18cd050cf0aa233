"""Sizes and the refiner: what the fields say, a request put back into them, when they are seen."""

from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest

from studio.contract import Framing, Request
from studio.errors import BadRequest
from studio.ui import framing_form, words
from tests.ui.scripted import ScriptedEngine

PLAIN = ScriptedEngine().catalog()[0]
INFOS = (
    replace(PLAIN, id="icons", title="Icons"),
    replace(PLAIN, id="xl", title="XL", framed=True),
    replace(PLAIN, id="finer", title="Finer", framed=True, refines=True),
)
ENGINE = SimpleNamespace(catalog=lambda: INFOS)
SAID = Request(
    "xl",
    framing=Framing((512, 640), (8, 16), (1024, 768), score=7.0, negative_score=1.5),
    refiner="finer",
    handover=0.65,
)


@pytest.fixture
def sizes():
    with gr.Blocks():
        return framing_form.controls(ENGINE, Request("xl"))


def values(sizes, request, **more):
    """What the fields hold once they are filled; `more` by elem_id."""
    filled = sizes.fill(ENGINE, request)
    held = [v["value"] if isinstance(v, dict) else v for v in map(filled.get, sizes.inputs())]
    ids = [component.elem_id for component in sizes.inputs()]
    return tuple((dict(zip(ids, held, strict=True)) | more).values())


@pytest.mark.parametrize("request_", [SAID, Request("xl"), Request("icons")])
def test_a_request_survives_the_fields(sizes, request_):
    assert sizes.read(Request(request_.model), values(sizes, request_)) == request_


def test_each_field_is_one_part_of_the_request(sizes):
    held = dict(zip([f.elem_id for f in sizes.inputs()], values(sizes, SAID), strict=True))
    assert held == {
        "framing_original_width": 512,
        "framing_original_height": 640,
        "framing_crop_left": 8,
        "framing_crop_top": 16,
        "framing_target_width": 1024,
        "framing_target_height": 768,
        "framing_score": 7.0,
        "framing_negative_score": 1.5,
        "framing_refiner": "finer",
        "framing_handover": 0.65,
    }


def test_the_pictures_own_size_is_an_empty_field(sizes):
    assert values(sizes, Request("xl"))[:6] == (None, None, 0, 0, None, None)
    emptied = values(sizes, SAID, framing_original_width="", framing_original_height=None)
    assert sizes.read(Request("xl"), emptied).framing == replace(SAID.framing, original=(0, 0))


@pytest.mark.parametrize(
    ("field", "given", "sentence"),
    [
        ("framing_original_width", "wide", "framing's original must be a whole number"),
        ("framing_crop_top", 9000, "framing's crop must be between 0 and 8192"),
        ("framing_target_height", None, "target has one side only"),
        ("framing_score", 11, "aesthetic score must be between"),
        ("framing_handover", None, "hand-over is empty"),
        ("framing_handover", 1.5, "hand-over must be between"),
    ],
)
def test_what_cannot_be_gets_a_sentence_that_the_page_can_translate(sizes, field, given, sentence):
    with pytest.raises(BadRequest, match=sentence) as raised:
        sizes.read(Request("xl"), values(sizes, SAID, **{field: given}))
    assert words.from_sentence(str(raised.value))["key"]


def test_the_fold_is_seen_with_a_checkpoint_that_is_told_of_sizes(sizes):
    def seen(request):
        return sizes.fill(ENGINE, request)[sizes.fold]["visible"]

    assert [seen(Request(m)) for m in ("icons", "xl", "gone")] == ["hidden", True, "hidden"]
    assert seen(Request("icons", refiner="finer")) is True


def test_the_fold_opens_for_a_recipe_that_says_something_here(sizes):
    opened = [sizes.fill(ENGINE, r)[sizes.fold]["open"] for r in (Request("xl"), SAID)]
    assert opened == [False, True]


def test_only_checkpoints_that_refine_are_offered_and_the_one_that_a_recipe_names():
    def offered(**said):
        return [id for _, id in framing_form.refiners(ENGINE, Request("xl", **said))]

    assert offered() == ["", "finer"]
    assert offered(refiner="icons") == ["", "icons", "finer"]
    assert offered(refiner="gone") == ["", "finer", "gone"]
