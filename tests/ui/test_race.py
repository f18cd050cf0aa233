"""The Race tab's lanes in a browser, on the scripted engine; `looks` baselines of their states."""

import csv
import io
import json
import os

import pytest
from PIL import Image

from studio.racing import RaceRequest
from tests.ui import acts, looks
from tests.ui.conftest import open_on
from tests.ui.test_looks import NARROW

pytestmark = pytest.mark.ui


@pytest.fixture
def lanes(tab):
    """Opens the Race tab: `lanes(locale=…)` → a page whose editor was checked."""

    def open_lanes(**options):
        page = tab(**options)
        page.click("#tab_race-button")
        page.wait_for_selector("#race_go")
        page.wait_for_selector(".race_editor[data-checked='1'] .lane-row")
        return page

    return open_lanes


@pytest.fixture(scope="module")
def kept_race(served, usual):
    page = open_on(usual, served.url)
    page.click("#tab_race-button")
    page.wait_for_selector(".race_editor[data-checked='1'] .lane-row")
    race(page)
    yield page
    page.close()


@pytest.fixture
def raced(kept_race):
    """The module's tab with one race of six lanes that is over; it is only looked at."""
    yield kept_race
    kept_race.fill("#race_find", "")
    kept_race.click("[data-kind='all']")
    kept_race.click("[data-axis='nfe']")
    assert kept_race.noticed.errors == []


def race(page, prompt="red apple", state="finished"):
    page.fill("#race_prompt textarea", prompt)
    page.click("#race_go")
    page.wait_for_selector(f".race[data-state='{state}']:not([data-race='recorded'])")


def halfway(page):
    """Wait until every lane of a held race stands at its middle."""
    page.wait_for_function(
        "() => document.querySelector('.race').stage.race.lanes"
        ".every((lane) => lane.state === 'stopped' || lane.index + 1 >= lane.total / 2)"
    )


def column(page, name):
    return page.locator(f".race-table td.{name}").all_inner_texts()


def test_a_race_ends_with_a_table_a_reference_and_reasons(raced):
    page = raced
    assert page.locator(".race-table tbody tr").count() == 6
    assert page.inner_text(".lane.reference .facts") == "Heun · NFE 200"
    assert "no pathwise limit" in page.inner_text(".race-table tr[data-lane='5'] .limits")
    page.wait_for_selector(".race-why[data-pair='0 5'] li")
    assert "fresh noise" in page.inner_text(".race-why li")
    assert page.inner_text(".race-head .hash").startswith("x_T 4e0740856")
    assert page.noticed.errors == []
    assert len(page.noticed.hosts) == 1


def test_lanes_stream_with_their_evaluations_and_one_can_be_stopped(lanes):
    page = lanes()
    race(page, "held red apple", "racing")
    halfway(page)
    assert "step 5 of 10" in page.inner_text(".lane[data-lane='1'] .facts")
    assert "NFE 10" in page.inner_text(".lane[data-lane='1'] .facts")
    page.click(".lane[data-lane='1'] .lane-stop")
    page.wait_for_selector(".lane[data-lane='1'][data-state='stopped']")
    assert page.locator(".lane[data-state='going']").count() == 5
    page.click("#race_stop")
    page.wait_for_selector(".race[data-state='cancelled']")
    assert page.locator(".lane[data-state='stopped']").count() == 6
    page.wait_for_selector("#race_stop[disabled]")


def test_equal_lanes_are_told_before_the_race(lanes):
    page = lanes()
    page.click(".lane-row[data-place='0'] button.icon >> nth=0")
    page.wait_for_selector(".lane-same:not([hidden])")
    assert "Lanes 1 and 2 are one and the same walk" in page.inner_text(".lane-same")


def test_fair_evaluations_give_a_second_order_method_half_the_steps(lanes):
    page = lanes()
    page.fill("#race_budget", "12")
    page.wait_for_function("() => document.querySelectorAll('.lane-row .steps')[1].value === '6'")
    steps = page.evaluate("[...document.querySelectorAll('.lane-row .steps')].map((f) => f.value)")
    assert steps == ["12", "6", "12", "12", "12", "12"]
    race(page)
    assert column(page, "nfe") == ["12"] * 6


def test_the_number_of_lanes_has_its_ends(lanes):
    page = lanes()
    for _ in range(6):
        page.click("#race_add")
    assert page.locator(".lane-row").count() == 12 and page.is_disabled("#race_add")
    for _ in range(10):
        page.click(".lane-row[data-place='0'] button.icon >> nth=1")
    assert page.locator(".lane-row").count() == 2
    assert page.is_disabled(".lane-row[data-place='0'] button.icon >> nth=1")


def test_a_bad_number_gets_its_sentence_before_and_at_the_race(lanes):
    page = lanes()
    page.fill("#race_budget", "")
    page.wait_for_selector(".lane-same.bad")
    page.click("#race_go")
    page.wait_for_selector(".race_message.error:not([hidden])")
    assert "empty" in page.inner_text(".race_message")
    page.fill("#race_budget", "8")
    race(page)


def test_what_goes_wrong_is_said_in_its_place(lanes):
    page = lanes()
    said = set()
    for prompt in ("broken apple", "full apple"):
        page.fill("#race_prompt textarea", prompt)
        page.click("#race_go")
        page.wait_for_function(
            """(said) => { const line = document.querySelector(".race_message.error");
                 return line && !line.hidden && !said.includes(line.innerText); }""",
            arg=list(said),
        )
        said.add(page.inner_text(".race_message"))
        page.wait_for_selector("#race_stop[disabled]")
        assert page.is_enabled("#race_go")
    assert len(said) == 2


def test_the_table_is_sorted_and_filtered(raced):
    page = raced
    page.click(".race-table th.sharpness button")
    sharp = [float(text) for text in column(page, "sharpness")]
    assert sharp == sorted(sharp)
    page.click(".race-table th.sharpness button")
    assert [float(text) for text in column(page, "sharpness")] == sorted(sharp, reverse=True)
    page.click("[data-kind='sde']")
    assert page.locator(".race-table tbody tr").count() == 2
    page.fill("#race_find", "ddpm")
    assert page.locator(".race-table tbody tr").count() == 1
    page.fill("#race_find", "nothing")
    assert page.inner_text(".race-table tbody") == "No lane is called that."


def test_all_lanes_are_scrubbed_together_at_equal_evaluations(raced):
    page = raced
    page.focus("#race_scrubber")
    page.evaluate(
        "() => { const s = document.querySelector('#race_scrubber'); s.value = '6';"
        " s.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.wait_for_function(
        "() => document.querySelector('.race-tools output').innerText === '6 evaluations'"
    )
    shown = page.evaluate(
        "() => { const stage = document.querySelector('.race').stage;"
        " return [0, 1].map((k) => stage.race.step(k, 'nfe', 6)); }"
    )
    assert shown == [5, 2]  # six answers of DDIM, three steps of Heun's two
    page.click("[data-axis='snr']")
    page.wait_for_selector(".race-tools output:has-text('log-SNR')")


def test_a_lane_opens_in_generate(lanes):
    page = lanes()
    race(page, "blue heart")
    page.click(".lane[data-lane='1'] .lane-open")
    page.wait_for_function("() => document.querySelector('#steps input').value === '10'")
    assert page.input_value("#prompt textarea") == "blue heart"
    assert page.is_checked("#sampler input[value='heun']")
    assert page.is_visible("#generate")


def test_the_numbers_and_the_pictures_are_taken_away(raced):
    page = raced
    with page.expect_download() as saved:
        page.click("#race_csv")
    rows = list(csv.DictReader(io.StringIO(saved.value.path().read_text("utf-8"))))
    assert [row["sampler"] for row in rows][:2] == ["ddim", "heun"]
    assert float(rows[1]["rmse"]) == pytest.approx(0.0075)
    assert rows[5]["limits"] == "no_limit"
    with page.expect_download() as saved:
        page.click("#race_png")
    data = saved.value.path().read_bytes()
    Image.open(io.BytesIO(data)).verify()  # every chunk's sum
    with Image.open(io.BytesIO(data)) as image:
        text = image.text["xt-studio-race"]
    assert RaceRequest.from_json(text).base.prompt == "red apple"
    assert json.loads(text)["lanes"][1]["steps"] == 10
    page.click("#race_restore_more button")
    file = {"name": "race.png", "mimeType": "image/png", "buffer": data}
    page.set_input_files("#race_restore input[type=file]", file)
    page.wait_for_selector("#race_message [data-key='race_restored']")


def test_the_ladder_fits_an_order_to_each_deterministic_lane(raced):
    page = raced
    page.click(".race_ladder [data-rung='80']")
    page.click("#race_climb")
    page.wait_for_selector(".race_ladder[data-state='climbed'] .fits li")
    orders = page.locator(".fits .order").all_inner_texts()
    assert orders[:2] == ["order 1 ± 0.07", "order 2 ± 0.07"]
    assert orders[5] == "adds noise: no pathwise limit"
    assert page.locator(".race_ladder circle.lane-0").count() == 4


def test_another_tab_sees_nothing_of_a_race_and_closing_ends_it(lanes, served):
    first = lanes()
    race(first, "held red apple", "racing")
    name = first.get_attribute(".race", "data-race")
    other = lanes()
    assert other.get_attribute(".race", "data-race") in ("", "recorded")
    first.close()
    assert acts.eventually(lambda: name in served.engine.races.forgotten)


def test_the_tab_speaks_chinese(lanes):
    page = lanes(locale="zh-CN")
    race(page)
    assert page.inner_text("#race_go") == "开始竞速"
    assert "次求值" in page.inner_text(".race-tools output")


def race_running(lanes):
    page = lanes()
    race(page, "held red apple", "racing")
    halfway(page)
    return page


def race_finished(lanes):
    page = lanes()
    race(page)
    page.wait_for_selector(".race-why[data-pair='0 5'] li")
    return page


def race_stopped_lane(lanes):
    page = race_running(lanes)
    page.click(".lane[data-lane='2'] .lane-stop")
    page.wait_for_selector(".lane[data-lane='2'][data-state='stopped']")
    return page


def race_narrow(lanes):
    page = lanes(**NARROW)
    for _ in range(6):
        page.click("#race_add")
    race(page, "held red apple", "racing")
    halfway(page)
    return page


def race_dark(lanes):
    page = lanes(color_scheme="dark")
    race(page, "blue heart")
    page.click("[data-view='diff']")
    page.click("#race_climb")
    page.wait_for_selector(".race_ladder[data-state='climbed'] .fits li")
    return page


SCENES = [race_running, race_finished, race_stopped_lane, race_narrow, race_dark]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_lanes_look_as_they_did(lanes, scene):
    page = scene(lanes)
    page.mouse.move(1, 1)
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    png = page.screenshot(full_page=True, animations="disabled", caret="hide")
    looks.OUT.mkdir(exist_ok=True)
    (looks.OUT / f"{scene.__name__}.png").write_bytes(png)
    now, baseline = looks.stored(png), looks.BASELINES / f"{scene.__name__}.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        now.save(baseline, quality=80)
    share = looks.difference(now, Image.open(baseline).convert("RGB"))
    assert share <= looks.MOST, f"{share:.1%} of the page looks different; see tests/ui/out"
