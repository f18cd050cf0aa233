"""The exact twin in a real browser, on the real engine: it needs no checkpoint."""

from __future__ import annotations

import base64
import os

import numpy as np
import pytest
import torch
from PIL import Image

from studio.diffusion.exact_flow import at
from studio.engine.twin_field import field
from studio.engine.twin_race import data
from studio.errors import BadRequest
from studio.settings import Settings
from studio.twinning import Cloud, Lane, Steering
from studio.ui import race_twin
from studio.ui.words import catalogue
from tests.engine.tiny import exact_folder
from tests.ui import looks
from tests.ui.conftest import PATIENCE, free_port

WIDE = {"viewport": {"width": 1440, "height": 1000}, "reduced_motion": "reduce"}
NARROW = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "reduced_motion": "reduce",
}  # fmt: skip


# Without a browser


def ask(**changes):
    said = {**race_twin.FIRST, "lanes": list(race_twin.START)}
    return {**said, **changes}


def test_what_the_page_sends_becomes_a_race():
    made = race_twin.asked(ask(seed=" 12 ", steering={"kind": "cfg", "label": 1, "scale": 2.0}))
    assert made.seed == 12 and made.lanes[1] == Lane("heun", "ve", 10, "karras")
    assert made.steering == Steering("cfg", 1, 2.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lanes": None}, {"lanes": [{"colour": 1}]}, {"lanes": []}, {"seed": "x"}, {"seed": "-1"},
        {"particles": None}, {"particles": "many"}, {"steering": {"kind": "none", "hue": 1}},
        {"steering": 5}, {"lanes": [{"sampler": "ddim", "steps": "2"}]},
    ],
)  # fmt: skip
def test_garbage_from_the_page_gets_a_sentence(wrong):
    with pytest.raises(BadRequest, match=r"\.$"):
        race_twin.asked(ask(**wrong))


def test_every_mixture_class_and_choice_has_its_words():
    from studio.engine.twin_field import PLANES

    words = catalogue("en")
    for name in PLANES:
        assert {f"twin_data_{name}", f"twin_data_{name}_hint"} <= words.keys()
        for label in data(name).classes:
            assert f"twin_class_{label.replace(' ', '_').replace('-', '_')}" in words
    from studio.twinning import PATHS, STEERINGS

    assert {f"twin_path_{id}" for id in PATHS} | {f"twin_steer_{id}" for id in STEERINGS} <= set(
        words
    )


def test_a_cloud_travels_as_it_is_packed():
    sent = race_twin._cloud(Cloud(1, 1, 2.0, b"\x00\x00\xff\xff"))
    assert base64.b64decode(sent["packed"]) == b"\x00\x00\xff\xff" and sent["reach"] == 2.0


# With one


@pytest.fixture(scope="module")
def twin_url(tmp_path_factory):
    from studio.engine.engine import LocalEngine
    from studio.ui import shell

    models = tmp_path_factory.mktemp("models")
    exact_folder(models / "shapes")
    settings = Settings.from_env({}, port=free_port(), models=models, threads=1)
    engine = LocalEngine(settings).start(warm=False)
    demo = shell.build(engine, settings, models / "no-run")
    shell.serve(demo, settings, models / "no-run", prevent_thread_lock=True, quiet=True)
    yield f"http://127.0.0.1:{settings.port}/"
    demo.close()
    engine.close()


def opened_in(browser, url, **options):
    context = browser.new_context(**{**WIDE, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
    page.goto(url)
    page.click("#tab_race-button")
    page.click("#race_twin-button")
    page.wait_for_selector(".twin[data-state=climbed]")
    return page


@pytest.fixture(scope="module")
def page(browser, twin_url):
    """One tab for all tests: it takes seconds to open."""
    page = opened_in(browser, twin_url)
    yield page
    page.context.close()


def again(page, change):
    """Do something that is raced anew, and wait for it."""
    before = int(page.get_attribute(".twin", "data-races"))
    change()
    page.wait_for_function(
        "before => Number(document.querySelector('.twin').dataset.races) > before", arg=before
    )
    page.wait_for_selector(".twin[data-state=climbed]")


def test_the_first_race_is_there_without_a_click(page):
    assert page.locator(".twin .lane").count() == 4
    assert page.locator(".twin tbody tr").count() == 4
    assert "no pathwise limit" in page.inner_text(".twin tbody tr >> nth=3")
    assert page.faults == []


def test_the_page_shows_the_orders_that_were_fitted(page):
    order = page.inner_text(".twin tbody tr >> nth=0 >> td >> nth=2")
    assert 0.7 < float(order.split(" ± ")[0]) < 1.3


def test_a_canvas_is_as_sharp_as_the_screen(browser, twin_url):
    page = opened_in(browser, twin_url, **NARROW)
    sizes = page.evaluate(
        "[...document.querySelectorAll('.twin .lane canvas')].map(c => c.width / c.clientWidth)"
    )
    assert sizes == [2, 2, 2, 2]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


@pytest.mark.parametrize("angle", [0.0, 0.2, 0.9, 1.5])
def test_the_page_knows_the_mixtures_density_and_field_as_the_engine_does(page, angle):
    truth = field("pinwheel", Steering("cfg", 3, 2.5))
    said = page.evaluate(
        """async ([data, angle]) => {
          const m = await import("/studio-assets/js/twin_math.js");
          const field = m.field(data, { kind: "cfg", label: 3, scale: 2.5 }, Math.max(angle, 0.02));
          return [Array.from(m.density(m.components(data), angle, 12, 2)),
                  [[0.3, -0.4], [1.2, 0.9], [-1.5, 0.1]].map(([x, y]) => field(x, y))];
        }""",
        [race_twin.mixture(data("pinwheel")), angle],
    )
    ticks = (2 * (np.arange(12) + 0.5) / 12 - 1) * 2
    grid = torch.tensor([[x, -y] for y in ticks for x in ticks])
    density = truth.twin.all.marginal(at(angle)).log_density(grid).exp()
    np.testing.assert_allclose(said[0], density.numpy(), rtol=1e-4, atol=1e-6)
    x = torch.tensor([[0.3, -0.4], [1.2, 0.9], [-1.5, 0.1]], dtype=torch.float64)
    _, eps = truth.pair(x, at(max(angle, 0.02)))
    np.testing.assert_allclose(said[1], -eps.numpy(), rtol=1e-6, atol=1e-9)


def test_the_product_density_is_the_guided_target(page):
    truth = field("pair", Steering("cfg", 0, 3.0))
    said = page.evaluate(
        """async (data) => {
          const m = await import("/studio-assets/js/twin_math.js");
          return Array.from(m.product(data, 0, 3, 64, 3));
        }""",
        race_twin.mixture(data("pair")),
    )
    values = np.array(said).reshape(64, 64)
    ticks = (2 * (np.arange(64) + 0.5) / 64 - 1) * 3
    mean = (values.sum(0) @ ticks) / values.sum(), -(values.sum(1) @ ticks) / values.sum()
    np.testing.assert_allclose(mean, truth.draw(20_000, 0).mean(0).numpy(), atol=0.02)


def test_scrubbing_moves_the_particles_and_says_where(page):
    shot = "document.querySelector('.twin .lane canvas').toDataURL()"
    page.fill("#twin_clock", "300")
    early, said = page.evaluate(shot), page.inner_text(".twin .now")
    page.focus("#twin_clock")
    page.keyboard.press("End")
    assert page.evaluate(shot) != early
    assert page.inner_text(".twin .now") != said
    assert page.get_attribute(".twin", "data-share") == "1.000"


def test_play_and_pause_by_the_keyboard(page):
    page.focus("#twin_play")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.twin').dataset.share < 0.9")
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    here = page.get_attribute(".twin", "data-share")
    page.wait_for_timeout(400)
    assert page.get_attribute(".twin", "data-share") == here


def test_what_is_drawn_can_be_switched_off(page):
    page.fill("#twin_clock", "800")
    shot = "document.querySelector('.twin .lane canvas').toDataURL()"
    seen = {page.evaluate(shot)}
    for name in ("density", "ways", "exact", "arrows"):
        page.click(f"#twin_show_{name}")
        seen.add(page.evaluate(shot))
    assert len(seen) == 5
    for name in ("density", "ways", "exact", "arrows"):
        page.click(f"#twin_show_{name}")
    assert page.get_attribute("#twin_show_density", "aria-pressed") == "true"


def test_a_lane_under_the_pointer_is_marked_in_the_table(page):
    page.hover(".twin .lane >> nth=2")
    assert page.locator(".twin tbody tr.marked").inner_text().startswith("3.")
    assert "step" in page.inner_text(".twin .lane >> nth=2 >> .at")
    page.mouse.move(1, 1)


def test_a_field_out_of_range_gets_a_sentence_and_the_page_stays(page):
    page.fill("#twin_particles", "5")
    page.press("#twin_particles", "Enter")
    page.wait_for_selector(".twin[data-state=problem]")
    assert "number of particles must be between 100 and 5000" in page.inner_text(".twin-message")
    page.fill("#twin_particles", "500")
    again(page, lambda: page.press("#twin_particles", "Enter"))
    assert page.is_hidden(".twin-message")


def test_the_same_method_twice_is_said_to_be_one(page):
    again(page, lambda: page.select_option(".twin .lane >> nth=1 >> .sampler", "euler"))
    again(page, lambda: page.fill("#twin_budget", "10") or page.press("#twin_budget", "Enter"))
    assert "Lane 2 is lane 1 under another name" in page.inner_text("#twin_why")
    assert {"10 evaluations"} == {
        page.inner_text(f".twin .lane >> nth={k} >> .told b") for k in (0, 1, 2, 3)
    }


def test_guidance_is_drawn_and_its_target_named(page):
    again(page, lambda: page.select_option("#twin_steering", "cfg"))
    assert page.is_visible(".twin .steer")
    field_of = "document.querySelector('[data-which=guided] canvas').toDataURL()"
    before = page.evaluate(field_of)
    again(
        page,
        lambda: page.evaluate(
            """() => { const s = document.querySelector("#twin_scale"); s.value = 8;
                      s.dispatchEvent(new Event("input", { bubbles: true })); }"""
        ),
    )
    assert page.evaluate(field_of) != before  # the field that was raced, with the new scale
    assert "is not" in page.inner_text(".twin .steer .said")
    again(page, lambda: page.select_option("#twin_steering", "none"))
    assert page.is_hidden(".twin .steer")


def test_lanes_come_and_go(page):
    again(page, lambda: page.click("#twin_add"))
    assert page.locator(".twin .lane").count() == 5
    again(page, lambda: page.click(".twin .lane >> nth=4 >> .away"))
    assert page.locator(".twin .lane").count() == 4
    assert page.faults == []


# Looks


def guided(page):
    again(page, lambda: page.select_option("#twin_steering", "cfg"))
    page.fill("#twin_clock", "820")


SCENES = {
    "twin": ({}, None),
    "twin_dark": ({"color_scheme": "dark"}, None),
    "twin_narrow": (NARROW, None),
    "twin_guided": ({}, guided),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_twin_looks_as_it_did(browser, twin_url, name):
    options, act = SCENES[name]
    page = opened_in(browser, twin_url, **options)
    if act:
        act(page)
    page.mouse.move(1, 1)
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)
    png = page.locator(".twin").screenshot(animations="disabled", caret="hide")
    page.context.close()
    looks.OUT.mkdir(exist_ok=True)
    (looks.OUT / f"{name}.png").write_bytes(png)
    now, baseline = looks.stored(png), looks.BASELINES / f"{name}.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        now.save(baseline, quality=80)
    share = looks.difference(now, Image.open(baseline).convert("RGB"))
    assert share <= looks.MOST, f"{share:.1%} of the twin looks different; see tests/ui/out"
