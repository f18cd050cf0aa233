"""The Generate tab in a real browser, on the scripted engine."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from studio.store.files import read_recipe
from studio.ui.words import catalogue
from tests.ui import acts, drawings

pytestmark = pytest.mark.ui


def test_a_recorded_run_plays_before_any_click(tab):
    page = tab(reduced_motion="no-preference")
    page.wait_for_selector(".stage[data-state=recorded][data-playing=true]")
    before = page.get_attribute(".stage", "data-position")
    page.wait_for_function(
        "before => document.querySelector('.stage').dataset.position !== before", arg=before
    )


def test_touching_the_scrubber_ends_the_loop(tab):
    page = tab(reduced_motion="no-preference")
    page.wait_for_selector(".stage[data-playing=true]")
    page.focus("#scrubber")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".stage[data-playing=false]")


def test_reduced_motion_shows_the_recorded_picture_still(tab):
    page = tab()
    assert page.get_attribute(".stage", "data-playing") == "false"
    assert page.get_attribute(".stage", "data-position") == "20"


def test_the_page_asks_no_other_host_and_logs_no_error(tab, served):
    page = tab()
    acts.generate(page)
    acts.done(page)
    page.wait_for_timeout(500)
    assert page.noticed.hosts - {""} == {served.url.split("/")[2]}
    assert page.noticed.errors == []


def test_generate_shows_at_least_five_different_guesses_and_a_picture(tab):
    page = tab()
    page.evaluate(acts.SEEN)
    acts.generate(page)
    acts.done(page)
    page.wait_for_function("window.seen.size >= 6")
    assert page.inner_text("[data-part=right_meaning]") == catalogue("en")["picture"]


def test_progress_is_said_in_numbers(tab):
    page = tab()
    acts.generate(page, "held red apple")
    page.wait_for_selector(".stage[data-state=step][data-position='8']")
    page.wait_for_function("document.querySelector('[data-cell=step] b').textContent === '9'")
    cells = {
        name: page.inner_text(f"[data-cell={name}] b")
        for name in ("level_t", "logsnr", "nfe", "rows", "ms_step", "left")
    }
    share, _, _, logsnr = drawings.level(8, 20)
    assert cells["level_t"] == f"{1000 * share:.0f}"
    assert cells["logsnr"] == f"{logsnr:.2f}".replace("-", "−")
    assert (cells["nfe"], cells["rows"]) == ("9", "18")
    assert page.inner_text(".headline p") == "step 9 of 20"


def test_a_click_on_an_example_runs_it(tab):
    page = tab()
    page.click("#chips .chip >> text=blue heart")
    acts.done(page)
    assert page.input_value("#prompt textarea") == "blue heart"
    assert "blue heart" in page.get_attribute("#pane_right", "aria-label")


def test_an_empty_prompt_is_allowed(tab):
    page = tab()
    acts.generate(page, "")
    acts.done(page)


def test_ctrl_enter_generates(tab):
    page = tab()
    page.fill("#prompt textarea", "pizza")
    page.keyboard.press("Control+Enter")
    acts.done(page)


def test_scrubbing_shows_every_recorded_step(tab):
    page = tab()
    acts.generate(page)
    acts.done(page)
    page.focus("#scrubber")
    page.keyboard.press("Home")
    page.wait_for_selector(".stage[data-position='0']")
    shown = set()
    for step in range(20):
        page.wait_for_selector(f".stage[data-position='{step}']")
        page.wait_for_timeout(30)
        shown.add(page.evaluate("document.querySelector('#pane_left').toDataURL()"))
        page.keyboard.press("ArrowRight")
    assert len(shown) == 20
    page.wait_for_selector(".stage[data-position='20']")


def test_the_left_pane_can_show_the_predicted_noise(tab):
    page = tab()
    acts.generate(page)
    acts.done(page)
    page.click("[data-left=eps]")
    assert page.inner_text("[data-part=left_meaning]") == catalogue("en")["eps"]
    page.wait_for_selector("[data-left=eps][aria-pressed=true]")


def test_stop_now_ends_the_run_and_what_was_recorded_can_be_scrubbed(tab, served):
    page = tab()
    assert page.is_disabled("#stop")
    acts.generate(page, "held red apple")
    page.wait_for_selector(".stage[data-state=step][data-position='8']")
    page.click("#stop")
    run = acts.until(page, "cancelled")
    assert served.engine.runs[run].stop
    page.wait_for_selector("#stop[disabled]")
    page.focus("#scrubber")
    page.keyboard.press("Home")
    page.wait_for_selector(".stage[data-position='0']")


def test_finish_this_one_completes_the_first_picture_alone(tab):
    page = tab()
    acts.generate(page, "slow red apple", count=3, steps=8)
    page.wait_for_selector(".stage[data-state=step]")
    page.click("#finish")
    acts.done(page)
    assert page.inner_text(".headline h2") == catalogue("en")["state_early"]
    assert page.is_hidden("#strip")


def test_finish_this_one_is_off_for_a_single_picture(tab):
    page = tab()
    acts.generate(page, "held red apple")
    page.wait_for_selector("#stop:not([disabled])")
    assert page.is_disabled("#finish")


def test_several_pictures_can_be_chosen_from(tab):
    page = tab()
    acts.generate(page, "red apple", count=3)
    acts.done(page)
    page.wait_for_selector("#strip button:nth-child(3)")
    first = page.evaluate("document.querySelector('#pane_right').toDataURL()")
    page.click("#strip button:nth-child(2)")
    page.wait_for_function(
        "first => document.querySelector('#pane_right').toDataURL() !== first", arg=first
    )


def test_generate_while_running_stops_the_former_run_and_says_so(tab, served):
    page = tab()
    acts.generate(page, "held red apple")
    page.wait_for_selector(".stage[data-state=step]")
    former = page.get_attribute(".stage", "data-run")
    acts.generate(page, "pizza")
    assert acts.message(page) == catalogue("en")["note_replaced"]
    assert acts.done(page) != former
    assert former in served.engine.forgotten


def test_closing_the_tab_ends_its_run(tab, served):
    page = tab()
    acts.generate(page, "held red apple")
    page.wait_for_selector(".stage[data-state=step]")
    run = page.get_attribute(".stage", "data-run")
    page.close()
    deadline = time.monotonic() + 10
    while run not in served.engine.forgotten and time.monotonic() < deadline:
        time.sleep(0.05)
    assert run in served.engine.forgotten


def test_a_run_that_fails_says_why_and_keeps_what_was_typed(tab):
    page = tab()
    acts.generate(page, "broken red apple")
    acts.until(page, "failed")
    assert acts.message(page) == "The device had no room for this; ask for less."
    assert page.input_value("#prompt textarea") == "broken red apple"
    assert page.is_disabled("#stop")


def test_a_full_queue_is_said(tab):
    page = tab()
    acts.generate(page, "full")
    assert acts.message(page) == catalogue("en")["err_full"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"steps": 0}, "The number of steps must be between 1 and 1000, not 0."),
        ({"steps": 2.5}, "The number of steps must be a whole number, not “2.5”."),
        ({"steps": ""}, "The number of steps must be a whole number, not “”."),
        ({"seed": "lucky"}, "The seed must be a whole number, not “lucky”."),
        ({"seed": "-1"}, "The seed must be between 0 and"),
        ({"count": 99}, "The number of pictures must be between 1 and 16, not 99."),
        ({"scale": 900}, "The guidance scale must be between 0 and 50, not 900."),
    ],
)
def test_a_bad_value_gets_a_sentence(tab, fields, sentence):
    page = tab()
    acts.generate(page, "red apple", **fields)
    assert acts.message(page).startswith(sentence)
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


def test_an_unknown_word_shows_the_nearest_known_ones(tab):
    page = tab()
    page.fill("#prompt textarea", "teapot")
    page.wait_for_selector("#known .chip")
    assert "red apple" in page.inner_text("#known")


def test_the_dice_throws_another_seed(tab):
    page = tab()
    page.click("#dice")
    page.wait_for_function("document.querySelector('#seed input').value !== '3'")
    assert page.input_value("#seed input").isdigit()


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
    page.wait_for_function("document.querySelector('#seed input').value === '12'")
    assert page.input_value("#prompt textarea") == "blue heart"
    assert page.input_value("#steps input") == "7"
    assert page.input_value("#count input") == "1"
    assert "blue heart" in acts.message(page)


def test_a_restored_recipe_reaches_folded_controls(tab, tmp_path):
    from studio.recipe import Guidance, Request
    from studio.store.files import png_with_recipe

    request = Request(
        "exact-icons", "pizza", "blue", 5, sampler="heun", spacing="karras", steps=9,
        guidance=Guidance(scale=3.5, rescale=0.25, interval=(0.2, 0.8)),
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


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_the_run_can_be_saved_as_a_film(tab, kind):
    page = tab()
    acts.generate(page, steps=5)
    acts.done(page)
    with page.expect_download() as expected:
        page.click(f"#save_{kind}")
    assert expected.value.suggested_filename == f"red-apple-s3.{kind}"


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


def test_two_visitors_never_see_each_others_pictures(tab):
    one, other = tab(apart=True), tab(apart=True)
    acts.generate(one, "red apple", steps=12)
    acts.generate(other, "blue heart", steps=12)
    runs = acts.done(one), acts.done(other)
    assert runs[0] != runs[1]
    for page, prompt in ((one, "red apple"), (other, "blue heart")):
        with page.expect_download() as expected:
            page.click("#save_png")
        pixels = np.asarray(Image.open(expected.value.path()))
        assert np.array_equal(pixels, drawings.drawing(prompt, 3))


def test_anatomy_shows_both_rows_of_guidance(tab):
    page = tab()
    acts.fold_out(page, "watching")
    page.check("#anatomy input")
    acts.generate(page, "held red apple")
    page.wait_for_selector("#anatomy_view:not([hidden])")
    assert page.inner_text("[data-cell=delta] b") != "–"


def test_the_chinese_page_shows_no_untranslated_label(tab):
    page = tab(locale="zh-CN")
    for name in ("guidance_more", "path_more", "watching", "restore_more"):
        acts.fold_out(page, name)
    page.wait_for_selector("#anatomy input")
    acts.generate(page, "red apple", steps=5)
    acts.done(page)
    shown = {line.strip() for line in page.inner_text("body").splitlines()}
    english, chinese = catalogue("en"), catalogue("zh-CN")
    left = {english[key] for key in english if english[key] != chinese[key]} & shown
    assert left == set()
    assert {chinese["generate"], chinese["prompt"], chinese["state_finished"]} <= shown


def test_a_chinese_visitor_reads_errors_in_chinese(tab):
    page = tab(locale="zh-CN")
    acts.generate(page, steps=0)
    assert acts.message(page) == "步数必须在 1 与 1000 之间，不能是 0。"


def test_the_theme_is_kept_for_the_next_visit(tab):
    page = tab(color_scheme="light")
    page.click("#theme_toggle")
    page.reload()
    page.wait_for_selector("body.dark")
