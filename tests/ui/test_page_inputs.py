"""What a visitor may give the page, good and bad: values, markup, dropped files."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from studio.recipe import Guidance, Request
from studio.store.files import png_with_recipe, read_recipe
from studio.ui.words import catalogue
from tests.ui import acts, drawings

pytestmark = pytest.mark.ui


def test_a_run_that_fails_says_why_and_keeps_what_was_typed(tab):
    page = tab()
    acts.generate(page, "broken red apple")
    acts.until(page, "failed")
    assert acts.message(page) == catalogue("en")["err_room"]
    assert page.input_value("#prompt textarea") == "broken red apple"
    assert page.is_disabled("#stop")


def test_a_full_queue_is_said(tab):
    page = tab()
    acts.generate(page, "full")
    assert acts.message(page) == catalogue("en")["err_busy"].format(ahead=64)


BAD = [
    ({"steps": 0}, "The number of steps must be between 1 and 1000, not 0."),
    ({"steps": 2.5}, "The number of steps must be a whole number, not “2.5”."),
    ({"steps": ""}, "The number of steps is empty; give a whole number."),
    ({"seed": "lucky"}, "The seed must be a whole number, not “lucky”."),
    ({"seed": "-1"}, "The seed must be between 0 and"),
    ({"count": 99}, "The number of pictures must be between 1 and 16, not 99."),
    ({"scale": 900}, "The guidance scale must be between 0 and 50, not 900."),
]


def test_a_bad_value_gets_a_sentence(tab):
    page = tab()
    good = {"steps": 20, "seed": "3", "count": 1, "scale": 5}
    for wrong, sentence in BAD:
        acts.generate(page, "red apple", **{**good, **wrong})
        page.wait_for_selector(f"#message .message:not([hidden]):has-text('{sentence}')")
    assert page.get_attribute(".stage", "data-state") == "recorded"


def test_the_message_goes_when_the_next_run_begins(tab):
    page = tab()
    acts.generate(page, steps=0)
    acts.message(page)
    acts.generate(page, steps=5)
    acts.done(page)
    assert page.is_hidden("#message .message")


def test_markup_in_a_prompt_stays_text(tab):
    page = tab()
    acts.generate(page, "<img src=x onerror=window.broken=1> {{value}} ${value}", steps=3)
    acts.done(page)
    assert page.evaluate("window.broken") is None
    assert page.query_selector("img[src=x]") is None
    assert page.noticed.errors == []


def test_the_png_carries_its_recipe_and_brings_it_back(tab, tmp_path):
    page = tab()
    acts.generate(page, "blue heart", seed=11, steps=7, count=2)
    acts.done(page)
    page.click("#strip button:nth-child(2)")
    with page.expect_download() as expected:
        page.click("#save_png")
    assert expected.value.suggested_filename == "blue-heart-s12.png"
    path = tmp_path / "picture.png"
    expected.value.save_as(path)
    recipe = json.loads(read_recipe(path))
    assert (recipe["prompt"], recipe["seed"], recipe["count"]) == ("blue heart", 12, 1)
    assert np.array_equal(np.asarray(Image.open(path)), drawings.drawing("blue heart", 12))
    acts.generate(page, "pizza", seed=1, steps=3)
    acts.done(page)
    acts.drop(page, path)
    for field, value in (("seed", "12"), ("steps", "7"), ("count", "1")):
        acts.holds(page, f"#{field} input", value)
    acts.holds(page, "#prompt textarea", "blue heart")
    page.wait_for_selector("#message .message:has-text('blue heart')")


def test_a_restored_recipe_reaches_folded_controls(tab, tmp_path):
    request = Request(
        "exact-icons", "pizza", negative_prompt="blue", seed=5, sampler="heun", spacing="karras",
        steps=9, guidance=Guidance(scale=3.5, rescale=0.25, interval=(0.2, 0.8)),
    )  # fmt: skip
    plain = io.BytesIO()
    Image.new("RGB", (32, 32)).save(plain, "PNG")
    path = tmp_path / "recipe.png"
    path.write_bytes(png_with_recipe(plain.getvalue(), request.to_json()))
    page = tab()
    acts.drop(page, path)
    page.wait_for_function("document.querySelector('#seed input').value === '5'")
    page.click("#generate")
    run = acts.done(page)
    made = page.evaluate("document.querySelector('.stage').dataset.run")
    assert made == run
    held = _request_of(page)
    assert held == {
        "sampler": "heun",
        "spacing": "karras",
        "negative_prompt": "blue",
        "scale": 3.5,
        "rescale": 0.25,
        "interval": [0.2, 0.8],
        "model": "exact-icons",
    }


def _request_of(page) -> dict:
    """What the page's newest run was asked, out of its own download."""
    with page.expect_download() as expected:
        page.click("#save_png")
    recipe = json.loads(read_recipe(expected.value.path()))
    guidance = recipe["guidance"]
    wanted = ("sampler", "spacing", "negative_prompt", "model")
    return {name: recipe[name] for name in wanted} | {
        name: guidance[name] for name in ("scale", "rescale", "interval")
    }


def test_a_picture_of_169_megapixels_is_refused_in_words(tab, tmp_path):
    path = acts.bomb(tmp_path / "bomb.png")
    assert path.stat().st_size < 30_000
    page = tab()
    acts.drop(page, path)
    assert "at most 16 megapixels are opened" in acts.message(page)


def test_a_text_file_named_png_is_refused_in_words(tab, tmp_path):
    path = tmp_path / "letter.png"
    path.write_text("Dear studio, I am no picture.")
    page = tab()
    acts.drop(page, path)
    assert acts.message(page) == catalogue("en")["err_not_picture"]


def test_a_png_without_a_recipe_is_refused_in_words(tab, tmp_path):
    path = tmp_path / "plain.png"
    Image.new("RGB", (40, 40)).save(path)
    page = tab()
    acts.drop(page, path)
    assert acts.message(page) == catalogue("en")["err_no_recipe"]


def test_a_chinese_visitor_reads_errors_in_chinese(tab):
    page = tab(locale="zh-CN")
    acts.generate(page, steps=0)
    assert acts.message(page) == "步数必须在 1 与 1000 之间，不能是 0。"


def test_a_recipe_with_an_unknown_sampler_is_refused_in_words(tab, tmp_path):
    plain = io.BytesIO()
    Image.new("RGB", (32, 32)).save(plain, "PNG")
    recipe = Request("icons-unet", sampler="<b>magic</b>").to_json()
    path = tmp_path / "magic.png"
    path.write_bytes(png_with_recipe(plain.getvalue(), recipe))
    page = tab()
    acts.drop(page, path)
    assert acts.message(page) == "There is no sampler “<b>magic</b>”; choose one from the list."
