"""The Control tab without a browser: its fields, its messages, and what the page may ask."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio import contract as c
from studio.controls import Control, ControlInfo
from studio.errors import BadRequest, StudioError
from studio.imaging.preprocessors_learned import LEARNED
from studio.ui import control_answers, control_form, words
from studio.ui.control_messages import Board
from tests.ui.scripted_steering import ScriptedSteering

ID = "a" * 64
STATIC = Path(words.__file__).parent / "static"
SHEET = {
    "model": "icons-control-canny", "image": ID, "preprocess": "canny",
    "settings": {"low": 40, "high": 90.5}, "scale": 0.7, "start": 0.1, "end": 0.9, "guess": True,
}  # fmt: skip


class Steered:
    """Of an engine, what the sheets ask for."""

    def __init__(self) -> None:
        self.steering = ScriptedSteering()

    def keep(self, picture: bytes) -> str:
        return self.steering.uploads.keep(picture)

    def kept(self, picture: str) -> bytes:
        return self.steering.uploads.png(picture)

    def catalog(self) -> tuple:
        return ()


def fields(**changes):
    said = {
        "prompt": " house ", "model": "icons-unet", "sampler": "ddim", "steps": 12, "scale": 4,
        "seed": "7", "sheets": {"controls": [SHEET]},
    }  # fmt: skip
    return list((said | changes).values())


def see(engine, **ask):
    return control_answers.for_sheets(engine)[0]({"model": "icons-unet", "control": SHEET} | ask)


def address(image: Image.Image, kind: str = "PNG", **options) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64," + base64.b64encode(buffer.getvalue()).decode()


def opened(data: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))))


def test_the_fields_and_the_sheets_make_one_request():
    made = control_form.read(fields(), c.Request("icons-unet", eta=0.5))
    assert (made.prompt, made.seed, made.steps, made.guidance.scale) == ("house", 7, 12, 4.0)
    assert made.count == 1 and made.eta == 0.5
    wanted = Control(
        "icons-control-canny", ID, "canny", (("high", 90.5), ("low", 40.0)), 0.7, 0.1, 0.9, True
    )
    assert made.controls == (wanted,)


@pytest.mark.parametrize("sheets", [None, {}, {"controls": []}, {"controls": "no"}])
def test_an_empty_sheet_is_no_request(sheets):
    with pytest.raises(BadRequest, match="nothing to follow yet"):
        control_form.read(fields(sheets=sheets), c.Request("icons-unet"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale", 3), ("scale", None), ("start", 0.95), ("end", "x"), ("image", "../a"), ("image", 7),
     ("model", ""), ("settings", {"low": "x"}), ("settings", {str(k): k for k in range(9)})],
)  # fmt: skip
def test_a_sheet_that_a_script_made_up_gets_a_sentence_in_both_languages(name, value):
    with pytest.raises(StudioError) as raised:
        control_form.read_control(SHEET | {name: value})
    assert words.from_sentence(str(raised.value))["key"]


def test_a_control_that_is_no_control_and_one_too_many_are_refused():
    with pytest.raises(BadRequest):
        control_form.read_sheets({"controls": ["canny"]})
    with pytest.raises(BadRequest, match="at most 4"):
        control_form.read(fields(sheets={"controls": [SHEET] * 5}), c.Request("icons-unet"))


def test_every_setting_of_a_preprocessor_has_a_name_and_every_title_its_chinese():
    phrases = json.loads((words._FOLDER / "engine.zh-CN.json").read_text(encoding="utf-8"))
    said = control_form.start(Steered())
    names = {s["name"] for made in said["preprocessors"] for s in made["settings"]}
    assert {f"control_set_{name}" for name in names} <= words.catalogue("zh-CN").keys()
    assert {made["title"] for made in said["preprocessors"]} <= phrases.keys()
    assert said["usual"] == "icons-control-scribble" and len(said["kinds"]) == 3


def test_transparency_is_paper_and_grey_is_rgb():
    clear = Image.new("RGBA", (96, 64), (0, 0, 0, 0))
    answer = see(Steered(), source=address(clear), control=SHEET | {"preprocess": "none"})
    hint = opened(answer["hint"])
    assert hint.shape == (128, 128, 3) and hint.min() == 255
    grey = see(Steered(), source=address(Image.new("L", (40, 40), 90)), control=SHEET)
    assert opened(grey["hint"]).shape == (128, 128, 3) and opened(grey["hint"]).max() == 0


def test_a_picture_taken_sideways_is_shown_upright():
    flat = np.full((64, 96, 3), 255, np.uint8)
    flat[:, :48] = 0  # the left half is black; turned by EXIF 6 it is on top
    exif = Image.Exif()
    exif[0x0112] = 6
    source = address(Image.fromarray(flat), "JPEG", exif=exif)
    hint = opened(see(Steered(), source=source, control=SHEET | {"preprocess": "none"})["hint"])
    assert hint[:50].max() < 40 and hint[-50:].min() > 215


def test_a_picture_once_kept_is_named_by_its_id_alone():
    engine = Steered()
    lines = np.full((128, 128, 3), 255, np.uint8)
    lines[40:90, 40:90] = 0
    first = see(engine, source=address(Image.fromarray(lines)))
    again = see(engine, control=SHEET | {"image": first["id"]})
    assert again["hint"] == first["hint"] and "picture" not in again
    assert set(np.unique(opened(first["hint"]))) == {0, 255}


@pytest.mark.parametrize("source", ["data:image/png;base64,!!!!", "hello", "data:,", "file:///a"])
def test_what_is_no_picture_is_refused_in_words(source):
    answer = see(Steered(), source=source)
    assert answer["problem"]["key"] == words.from_sentence(
        "This file is not a PNG, JPEG or WebP picture; choose one of those."
    )["key"]  # fmt: skip


def test_a_control_of_another_family_is_said_with_its_hint():
    source = address(Image.new("RGB", (64, 64), "white"))
    answer = see(Steered(), source=source, control=SHEET | {"model": "xl-lines"})
    assert answer["fits"]["key"] and answer["hint"]


def board(whole: bool = False) -> Board:
    request = c.Request("icons-unet", prompt="house", steps=2, controls=(Control("canny", ID),))
    known = {"canny": ControlInfo("canny", "Edges", "sd", "", (), "", 0, 0, "", whole=whole)}
    return Board("a b", 1, request, ["data:hint"], known)


def test_a_board_says_which_hint_is_a_prompt_and_lies_over_nothing():
    assert [board(whole).opening()["controls"][0]["whole"] for whole in (True, False)] == [
        True,
        False,
    ]


def step(index: int, control=()) -> c.Step:
    return c.Step(
        "a", index, 2, index + 1, 2, None, 3.0, 2.0, 0.0, x0=(b"x",), xt=(b"y",), control=control
    )


def test_a_board_tells_both_ways_and_keeps_what_was_added_by_step():
    told = board()
    first = told.tell([("with", step(1, ((0.5, 0.25),))), ("without", step(0))])
    assert first["kind"] == "running" and first["controls"][0]["title"] == "Edges"
    assert first["norms"] == [None, [[0.5, 0.25]]]  # the step that was missed stays empty
    assert first["ways"]["with"]["index"] == 1 and first["ways"]["without"]["index"] == 0
    second = told.tell([("with", step(0, ((0.1, 0.2),)))])
    assert second["norms"] == [[[0.1, 0.2]], [[0.5, 0.25]]]


def test_a_board_is_over_when_both_are_and_a_failure_is_what_counts():
    told = board()
    assert told.tell([("with", c.Cancelled("a", 1))])["kind"] != "cancelled" and not told.over
    said = told.tell([("without", c.Failed("b", "The studio is closing."))])
    assert told.over and said["kind"] == "failed" and said["message"]


def test_what_is_not_installed_is_named_below_the_preprocessors_with_its_command():
    said = control_form.start(Steered())
    missing = {p["id"]: p["missing"] for p in said["preprocessors"] if p["missing"]}
    assert missing == {name: made.extra for name, made in LEARNED.items()} and missing
    script = (STATIC / "js/control_sheets.js").read_text()
    assert "python -m studio extras install" in script and "filter((p) => !p.missing)" in script
    for language in ("en", "zh-CN"):
        assert "{names}" in words.catalogue(language)["control_not_here"]
