"""The X/Y grid: its controls without a browser, and in one on the scripted engine."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from studio.axes import Axis
from studio.contract import Guidance, Request
from studio.errors import StudioError
from studio.gridding import Grid, Plan
from studio.store.files import read_recipe
from studio.ui import grid_form, grid_messages, words
from studio.ui.words import catalogue
from tests.ui import acts, inline, looks
from tests.ui.scripted import ScriptedEngine

BASE = Request("icons-unet", prompt="red apple", seed=3, guidance=Guidance(rescale=0.4))


@pytest.fixture(scope="module")
def engine():
    made = ScriptedEngine(pace=0.002)
    yield made
    made.close()


def values(**changes):
    said = {
        "prompt": "red apple", "x": "guidance", "x_values": "1,3", "y": "seed", "y_values": "1-3",
        "model": "icons-unet", "steps": 20, "scale": 5, "seed": "3", "negative": "",
        "sampler": "ddim", "spacing": "trailing", "base": BASE.to_json(),
    }  # fmt: skip
    return tuple({**said, **changes}.values())


def test_the_controls_say_a_grid_and_keep_what_they_do_not_show(engine):
    grid = grid_form.read(values(), engine.grids.names())
    assert grid == Grid(BASE, Axis("guidance", ("1", "3")), Axis("seed", ("1", "2", "3")))
    assert grid.at(0).guidance.rescale == 0.4


def test_an_axis_is_offered_the_fields_that_the_request_has(engine):
    info = engine.catalog()[0]

    def offered(request):
        return [id for _, id in grid_form.fields_for("y", request, info, ())]

    assert not {"strength", "label", "control", "handover"} & set(offered(BASE))
    assert "strength" in offered(BASE.with_(image="0" * 64))
    assert offered(BASE)[-1] == "none"


def test_without_a_second_axis_there_is_none(engine):
    assert grid_form.read(values(y="none", y_values=""), engine.grids.names()).y is None


@pytest.mark.parametrize(
    "wrong",
    [{"seed": "x"}, {"steps": None}, {"x_values": ""}, {"y": "guidance"}, {"x": None},
     {"x": "words", "x_values": "green|red"}],
)  # fmt: skip
def test_garbage_in_the_controls_gets_a_sentence_in_both_languages(engine, wrong):
    with pytest.raises(StudioError) as raised:
        grid_form.read(values(**wrong), engine.grids.names())
    assert words.from_sentence(str(raised.value))["key"]


def test_every_field_has_its_word_and_a_suggestion_that_can_be_read(engine):
    for field in grid_form.FIELDS:
        assert f"grid_field_{field}" in catalogue("en")
        if field == "control":  # it needs a picture that controls
            continue
        typed = grid_form.suggestion(engine, field, "red apple", "icons-unet")
        changes = {"x": field, "x_values": typed, "y": "none"}
        assert grid_form.read(values(**changes), engine.grids.names()).cells >= 2


def test_what_it_costs_is_told_with_its_problems():
    plan = Plan(2, 1, 2, 40, 60, 20.0, 1.2, ((1, "The number of steps is empty; give a number."),))
    said = grid_messages.announced(plan)
    assert (said["cells"], said["seconds"], said["broken"]) == (2, 1.2, 1)
    json.dumps(said)


def test_large_pictures_travel_small_and_small_ones_as_they_are(engine):
    grids = inline.grids(engine)
    id = grids.start(Grid(BASE.with_(steps=2), Axis("seed", ("1",))))
    list(grids.watch(id))
    cell = grids.cells(id)[1][0]
    assert grid_messages._thumb(cell).startswith("data:image/png")
    from dataclasses import replace

    out = io.BytesIO()
    Image.new("RGB", (900, 600)).save(out, "PNG")
    assert grid_messages._thumb(replace(cell, picture=out.getvalue())).startswith("data:image/jpeg")


# In a browser


@pytest.fixture
def page(tab):
    """The section, in a tab of its own session storage."""
    return opened(tab())


def opened(page):
    page.click("#tab_race-button")
    page.click("#race_grid-button")
    page.wait_for_selector(".grid_plan[data-kind=plan]")
    return page


def fill(page, **said):
    for field, value in said.items():
        page.fill(f"#grid_{field} :is(input, textarea)", value)
    page.click("#grid_fill")


def until(page, state):
    page.wait_for_selector(f".grid-stage[data-state={state}]")


def settled(page):
    """All cells' pictures are there."""
    until(page, "done")
    page.wait_for_function(
        """() => [...document.querySelectorAll('.cell')].every(
               (c) => c.dataset.state === 'failed' || c.querySelector('canvas').width > 1)"""
    )


@pytest.mark.ui
def test_the_grid_fills_while_one_watches(page):
    fill(page, x_values="1, 3", y_values="1-2", prompt="red apple")
    page.wait_for_selector(".cell[data-state=running]")
    settled(page)
    assert page.locator(".cell[data-state=done]").count() == 4
    assert page.locator(".grid-stage thead th").all_inner_texts()[1:] == ["1", "3"]
    assert page.noticed.errors == []


@pytest.mark.ui
def test_what_it_costs_is_said_before_and_a_bad_value_at_once(page):
    page.fill("#grid_x_values :is(input, textarea)", "1-5")
    page.wait_for_function(
        "document.querySelector('.grid_plan').textContent.includes('5 × 3 = 15 cells')"
    )
    page.fill("#grid_x_values :is(input, textarea)", "1, much")
    page.wait_for_selector(".grid_plan[data-kind=problem]")
    assert "“much” is no value of the guidance scale" in page.inner_text(".grid_plan")


@pytest.mark.ui
def test_it_stops_and_goes_on_also_after_a_reload(page):
    fill(page, prompt="slow red apple", x_values="1-4", y_values="1-3")
    page.wait_for_selector(".cell[data-state=running]")
    page.fill("#grid_prompt :is(input, textarea)", "other")  # the grid keeps its own request
    page.wait_for_selector(".cell[data-state=done]", timeout=60_000)
    page.click("#grid_stop")
    until(page, "stopped")
    done = int(page.get_attribute(".grid-stage", "data-done"))
    assert 1 <= done < 12
    page.reload()
    page.wait_for_selector("#chips .chip")
    opened(page)
    until(page, "stopped")
    assert int(page.get_attribute(".grid-stage", "data-done")) == done
    page.wait_for_selector("#grid_resume:not([disabled])")
    page.click("#grid_resume")
    until(page, "running")
    page.click("#grid_stop")
    until(page, "stopped")


@pytest.mark.ui
def test_a_closed_tab_stops_its_grid(page, served):
    fill(page, prompt="slow red apple", x_values="1-8")
    page.wait_for_selector(".cell[data-state=running]")
    id = page.evaluate("document.querySelector('.grid-stage').stage.value.id")
    page.close()
    assert acts.eventually(lambda: next(served.engine.grids.watch(id)).state == "stopped")


@pytest.mark.ui
def test_a_cell_opens_larger_and_its_recipe_in_generate(page):
    fill(page, x_values="1, 4", y_values="7-8")
    settled(page)
    page.click(".cell[data-index='3']")
    page.wait_for_selector("#grid_larger[open][data-index='3']")
    said = page.inner_text("#grid_larger dl").split("\n")
    assert said[said.index("guidance") + 1] == "4" and said[said.index("seed") + 1] == "8"
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("#grid_larger[data-index='2']")
    page.click("#grid_open")
    acts.holds(page, "#seed :is(input, textarea)", "8")
    acts.holds(page, "#scale input", "1")
    assert page.is_visible("#generate")


@pytest.mark.ui
def test_a_failing_cell_says_why_and_the_rest_goes_on(page):
    page.check("#grid_x input[value=words]", force=True)
    page.wait_for_function(
        "document.querySelector('#grid_x_values :is(input, textarea)').value.startsWith('red|')"
    )
    fill(page, x_values="red|broken red", y_values="1-2")
    settled(page)
    assert page.locator(".cell[data-state=failed]").count() == 2
    assert "no room" in page.inner_text(".cell[data-state=failed] .note >> nth=0")


@pytest.mark.ui
def test_its_png_brings_the_grid_back(page, tmp_path):
    fill(page, x_values="1, 6", y_values="4-5", prompt="blue heart")
    settled(page)
    with page.expect_download() as saved:
        page.click("#grid_png")
    path = tmp_path / "grid.png"
    saved.value.save_as(path)
    assert Grid.from_json(read_recipe(path)).x.values == ("1", "6")
    fill(page, x_values="2", prompt="pizza")
    page.click("#grid_restore_more > button")
    page.wait_for_selector("#grid_restore input[type=file]", state="attached")
    page.set_input_files("#grid_restore input[type=file]", str(path))
    acts.holds(page, "#grid_prompt :is(input, textarea)", "blue heart")
    acts.holds(page, "#grid_x_values :is(input, textarea)", "1, 6")


@pytest.mark.ui
def test_labels_stay_in_sight_while_the_table_scrolls(tab):
    page = opened(tab(viewport={"width": 700, "height": 500}))
    fill(page, x_values="1-10", y_values="1-6", steps="1")
    settled(page)
    page.evaluate("document.querySelector('.grid-stage .scroll').scrollTo(150, 90)")
    page.wait_for_timeout(200)
    boxes = page.evaluate(
        """() => { const at = (s) => document.querySelector(s).getBoundingClientRect();
             const [box, head, side] = [at('.grid-stage .scroll'), at('.grid-stage .corner'),
                 at('.grid-stage tbody th')];
             return [head.top - box.top, head.left - box.left, side.left - box.left]; }"""
    )
    assert max(map(abs, boxes)) < 3
    place = page.evaluate(
        "(b => [b.scrollLeft, b.scrollTop])(document.querySelector('.grid-stage .scroll'))"
    )
    assert place == [150, 90]


@pytest.mark.ui
def test_the_request_of_generate_is_taken_over(page):
    page.click("#tab_generate-button")
    page.fill("#prompt textarea", "a rocket")
    page.fill("#steps input", "7")
    page.click("#tab_race-button")
    page.click("#grid_take")
    acts.holds(page, "#grid_prompt :is(input, textarea)", "a rocket")
    acts.holds(page, "#grid_steps input", "7")


def empty(tab):
    return opened(tab())


def finished(tab):
    page = opened(tab())
    fill(page, x_values="1, 3, 5, 8", y_values="1-3")
    settled(page)
    return page


def dark(tab):
    page = opened(tab(color_scheme="dark"))
    fill(page, x_values="1, 3", y_values="1-2")
    settled(page)
    page.click(".cell[data-index='0']")
    page.wait_for_selector("#grid_larger[open]")
    return page


def narrow(tab):
    page = opened(tab(viewport={"width": 390, "height": 844}, device_scale_factor=2))
    fill(page, x_values="1-6", y_values="1-2")
    settled(page)
    return page


@pytest.mark.ui
@pytest.mark.parametrize("scene", [empty, finished, dark, narrow], ids=lambda s: s.__name__)
def test_the_grid_looks_as_it_did(tab, scene):
    page = scene(tab)
    page.mouse.move(1, 1)
    page.evaluate("document.activeElement?.blur()")
    page.evaluate(
        """() => { for (const p of document.querySelectorAll('.grid_plan .sum, .grid_plan .cost, '
                     + '.grid-progress .said, .grid-larger figcaption')) p.textContent = '·'; }"""
    )  # how long it took is another each time
    page.wait_for_timeout(400)
    png = page.screenshot(full_page=True, animations="disabled", caret="hide")
    looks.OUT.mkdir(exist_ok=True)
    (looks.OUT / f"grid_{scene.__name__}.png").write_bytes(png)
    now, baseline = looks.stored(png), looks.BASELINES / f"grid_{scene.__name__}.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        now.save(baseline, quality=80)
    share = looks.difference(now, Image.open(baseline).convert("RGB"))
    assert share <= looks.MOST, f"{share:.1%} of the page looks different; see tests/ui/out"
    assert np.asarray(now).std() > 1
