"""The Generate tab in a real browser, on the scripted engine."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from studio.ui.words import catalogue
from tests.ui import acts, drawings

pytestmark = pytest.mark.ui
WAITED = """() => {
  const stage = document.querySelector(".stage");
  window.waited = false;
  const note = () => { window.waited ||= stage.dataset.waiting === "true"; };
  new MutationObserver(note).observe(stage, { attributeFilter: ["data-waiting"] });
}"""


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
    page.keyboard.press("Home")  # changes nothing where the loop is at its start
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
    acts.generate(page, "slow red apple", steps=8)
    acts.done(page)
    page.wait_for_function("window.seen.size >= 6")
    assert page.inner_text("[data-part=right_meaning]") == catalogue("en")["picture"]


def test_progress_is_said_in_numbers(shared):
    page = shared
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


def test_a_click_on_an_example_runs_it(shared):
    page = shared
    acts.begin(page, lambda: page.click("#chips .chip >> text=blue heart"))
    acts.done(page)
    assert page.input_value("#prompt textarea") == "blue heart"
    assert "blue heart" in page.get_attribute("#pane_right", "aria-label")


def test_an_empty_prompt_is_allowed(shared):
    page = shared
    acts.generate(page, "")
    acts.done(page)


def test_ctrl_enter_generates(shared):
    page = shared
    page.fill("#prompt textarea", "pizza")
    acts.begin(page, lambda: page.keyboard.press("Control+Enter"))
    acts.done(page)


def test_scrubbing_shows_every_recorded_step(shared):
    page = shared
    acts.generate(page)
    acts.done(page)
    acts.walk_through(page, 20)


def test_the_left_pane_can_show_the_predicted_noise(shared):
    page = shared
    acts.generate(page)
    acts.done(page)
    page.click("[data-left=eps]")
    said = catalogue("en")["eps_last"].partition("{")[0]  # beside the picture: of the last step
    page.wait_for_selector(f"[data-part=left_meaning]:has-text('{said}')")
    page.wait_for_selector("[data-left=eps][aria-pressed=true]")


def test_stop_now_ends_the_run_and_what_was_recorded_can_be_scrubbed(shared, served):
    page = shared
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


def test_finish_this_one_completes_the_first_picture_alone(shared):
    page = shared
    acts.generate(page, "held red apple", count=3)
    page.wait_for_selector(".stage[data-state=step][data-position='8']")
    page.click("#finish")
    acts.done(page)
    assert page.inner_text(".headline h2") == catalogue("en")["state_early"]
    page.wait_for_selector("#strip", state="hidden")


def test_finish_this_one_is_off_for_a_single_picture(shared):
    page = shared
    acts.generate(page, "held red apple")
    page.wait_for_selector("#stop:not([disabled])")
    assert page.is_disabled("#finish")


def test_several_pictures_can_be_chosen_from(shared):
    page = shared
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
    assert acts.eventually(lambda: run in served.engine.forgotten)


def test_an_unknown_word_shows_the_nearest_known_ones(shared):
    page = shared
    page.fill("#prompt textarea", "teapot")
    page.wait_for_selector("#known .chip")
    assert "red apple" in page.inner_text("#known")


def test_the_dice_throws_another_seed(shared):
    page = shared
    page.click("#dice")
    page.wait_for_function("document.querySelector('#seed input').value !== '3'")
    assert page.input_value("#seed input").isdigit()


@pytest.mark.parametrize("kind", ["gif", "mp4"])
def test_the_run_can_be_saved_as_a_film(shared, kind):
    page = shared
    acts.generate(page, steps=5)
    acts.done(page)
    with page.expect_download() as expected:
        page.click(f"#save_{kind}")
    assert expected.value.suggested_filename == f"red-apple-s3.{kind}"


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
    untranslated = (set(english.values()) - set(chinese.values())) & shown
    assert untranslated == set()
    assert {chinese["generate"], chinese["prompt"], chinese["state_finished"]} <= shown


def test_the_theme_is_kept_for_the_next_visit(tab):
    page = tab(apart=True, color_scheme="light")
    page.click("#theme_toggle")
    page.reload()
    page.wait_for_selector("body.dark")


def test_arrow_keys_scrub_when_no_control_has_the_focus(tab):
    page = tab()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".stage[data-position='19']")


def test_a_run_without_previews_can_be_scrubbed_afterwards(tab):
    page = tab()
    acts.fold_out(page, "watching")
    page.check("#preview input[value=off]", force=True)
    acts.generate(page, steps=6)
    acts.done(page)
    page.focus("#scrubber")
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('#pane_left').width > 1")


def test_the_former_picture_waits_faintly_for_the_next_run(shared):
    page = shared
    page.evaluate(WAITED)
    acts.generate(page, "held red apple")
    acts.until(page, "step")
    page.wait_for_selector(".stage[data-waiting=false]")
    assert page.evaluate("window.waited")
