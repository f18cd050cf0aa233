"""What the page does when something is missing, folded away or merely heard."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from studio.contract import Guidance, Request
from studio.store.files import png_with_recipe
from studio.ui.words import catalogue
from tests.ui import acts

pytestmark = pytest.mark.ui
EN = catalogue("en")
NO_STORAGE = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("denied", "SecurityError"); },
});"""
SAID = """() => {
  window.said = [];
  const part = document.querySelector("[data-part=spoken]");
  new MutationObserver(() => window.said.push(part.textContent)).observe(part, { childList: true });
}"""


def recipe(folder, **fields):
    """A PNG with this recipe in it."""
    plain = io.BytesIO()
    Image.new("RGB", (32, 32)).save(plain, "PNG")
    path = folder / "recipe.png"
    path.write_bytes(png_with_recipe(plain.getvalue(), Request("icons-unet", **fields).to_json()))
    return path


def test_the_page_works_where_nothing_may_be_stored(tab):
    page = tab(script=NO_STORAGE)
    page.click("#theme_toggle")
    acts.generate(page, steps=5)
    acts.done(page)
    assert page.noticed.errors == []


def test_a_recording_that_is_gone_is_said_when_it_is_asked_for(tab, served):
    page = tab()
    acts.generate(page, "slow red apple", steps=4)
    served.engine.forget(acts.done(page))
    page.focus("#scrubber")
    page.keyboard.press("Home")
    page.wait_for_function(
        "key => document.querySelector('#message .message').dataset.key === key", arg="err_gone"
    )


def test_a_step_that_was_not_seen_is_shown_as_the_nearest_and_by_its_name(tab):
    found = tab().evaluate("""async () => {
      const { Run } = await import("./studio-assets/js/run.js");
      const run = new Run("r", 1);
      run.live.x0[2] = ["second"];
      return [run.frame("x0", 4, 0), run.nearest("x0", 4, 0), run.nearest("x0", 0, 0)];
    }""")
    assert found == ["second", 2, 2]


def test_what_is_known_by_step_moves_to_its_place_in_a_thinned_recording(tab):
    found = tab().evaluate("""async () => {
      const { Run } = await import("./studio-assets/js/run.js");
      const run = new Run("r", 1);
      run.live.x0 = [["a"], ["b"], ["c"], ["d"]];
      run.delta = [0.1, 0.2, 0.3, 0.4];
      const levels = [{ step: 0 }, { step: 2 }, { step: 3 }];
      const told = { kind: "finished", step_ms: [1, 2, 3, 4], pictures: ["p"] };
      run.end({ ...told, recorded: 3, levels });
      return [run.ms, run.delta, run.frame("x0", 1, 0), run.counted(1), run.total];
    }""")
    assert found == [[1, 3, 4], [0.1, 0.3, 0.4], "c", {"k": 3, "n": 4}, 3]


def test_beside_the_picture_stands_the_last_state_that_was_asked(tab, served):
    page = tab()
    acts.generate(page, steps=5)
    asked = served.engine.levels(acts.done(page))[-1]
    wanted = EN["xt_last"].format(t=f"{asked.t:.0f}")
    page.wait_for_selector(f"[data-part=left_meaning]:has-text('{wanted}')")


def test_a_screen_reader_is_told_of_the_run_once_and_not_of_every_step(tab):
    page = tab()
    page.evaluate(SAID)
    acts.generate(page, steps=20)
    acts.done(page)
    said = page.evaluate("window.said")
    assert said.count(EN["state_step"]) <= 1
    assert len(said) <= 5
    assert page.get_attribute("[data-part=bar]", "role") == "progressbar"
    assert page.get_attribute("[data-part=bar]", "aria-valuenow") == "20"


def test_less_usual_samplers_unfold_by_the_keyboard(tab):
    page = tab()
    assert page.is_hidden("#sampler label:has-text('LMS')")
    page.focus("#more_samplers")
    page.keyboard.press("Enter")
    assert page.get_attribute("#more_samplers", "aria-expanded") == "true"
    assert page.is_visible("#sampler label:has-text('LMS')")


def test_a_recipe_is_restored_to_the_last_digit_and_unfolds_its_sampler(tab, served, tmp_path):
    page = tab()
    asked = {"sampler": "edm", "eta": 0.33, "steps": 7, "seed": 5}
    acts.drop(page, recipe(tmp_path, guidance=Guidance(kind="none"), **asked))
    acts.holds(page, "#seed input", "5")
    page.wait_for_selector("#more_samplers[aria-expanded=true]")
    page.click("#generate")
    request = served.engine.runs[acts.done(page)].request
    assert {name: getattr(request, name) for name in asked} == asked
    assert request.guidance.scale == 1.0  # as good as none: the conditional row alone


def test_two_visitors_see_no_frame_of_each_other(tab):
    pages = tab(apart=True), tab(apart=True)
    for page, prompt in zip(pages, ("red apple", "blue heart"), strict=True):
        acts.generate(page, "held " + prompt)
    for page in pages:
        page.wait_for_selector(".stage[data-state=step][data-position='8']")
    for page in pages:
        page.evaluate(acts.SEEN)
    for page, prompt in zip(pages, ("red apple", "blue heart"), strict=True):
        acts.generate(page, prompt, steps=12)
    for page in pages:
        acts.done(page)
    one, other = (set(page.evaluate("[...window.seen]")) for page in pages)
    assert len(one) > 2 and len(other) > 2
    assert one.isdisjoint(other)
