"""The Noise tab in a real browser, on the real engine with small checkpoints."""

from __future__ import annotations

import io
import json
import math
import os

import numpy as np
import pytest
from PIL import Image

from studio.errors import StudioError
from studio.noising import Noising, Schedule
from studio.settings import Settings
from studio.ui import noise_form, noise_messages
from studio.ui.words import catalogue
from tests.engine.tiny import exact_folder, sd_folder, shape_picture
from tests.ui import acts, looks
from tests.ui.conftest import PATIENCE, free_port

WORDS = catalogue("en")


# Without a browser


def values(**changes):
    said = {
        "schedule": "cosine", "against": "none", "space": "pixel", "model": "shapes", "T": 1000,
        "scaled": True, "zero_snr": False, "shift": 1, "seed": "0",
    }  # fmt: skip
    return tuple({**said, **changes}.values())


def test_the_controls_say_a_noising_and_a_second_schedule():
    noising, against = noise_form.read(values(against="flow", T=50, shift=3, seed=" 7 "))
    assert noising == Noising(Schedule("cosine", T=50, shift=3.0), model="shapes", seed=7)
    assert against == Schedule("flow", T=50, shift=3.0)


@pytest.mark.parametrize("wrong", [{"seed": "x"}, {"T": None}, {"T": 5}, {"shift": "a"}])
def test_garbage_in_the_controls_gets_a_sentence(wrong):
    with pytest.raises(StudioError):
        noise_form.read(values(**wrong))


def test_every_bundled_picture_has_a_name_and_opens():
    for name, data in noise_messages.bundled().items():
        assert f"noise_picture_{name}" in WORDS
        assert min(Image.open(io.BytesIO(data)).size) >= 128


# With one


@pytest.fixture(scope="module")
def lab_page(tmp_path_factory):
    from studio.engine.engine import LocalEngine
    from studio.ui import shell

    models = tmp_path_factory.mktemp("models")
    exact_folder(models / "shapes")
    sd_folder(models / "random")
    settings = Settings.from_env({}, port=free_port(), models=models, threads=1)
    engine = LocalEngine(settings).start(warm=False)
    demo = shell.build(engine, settings, models / "no-run")
    shell.serve(demo, settings, models / "no-run", prevent_thread_lock=True, quiet=True)
    yield f"http://127.0.0.1:{settings.port}/", engine
    demo.close()
    engine.close()


@pytest.fixture(scope="module")
def opened(browser, lab_page):
    """One tab for all tests: it takes seconds to open."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 1000}, reduced_motion="reduce", accept_downloads=True
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.mistakes = []
    page.on("pageerror", lambda error: page.mistakes.append(str(error)))
    page.goto(lab_page[0])
    page.click("#tab_noise-button")
    page.wait_for_selector(".noise[data-state=process]")
    yield page
    context.close()


@pytest.fixture
def page(opened):
    """The tab, on the apple in pixels with cosine beside linear at equal t, whatever was before."""
    wanted = {"noise_schedule": "cosine", "noise_against": "linear", "noise_space": "pixel"}
    for field, value in wanted.items():
        if not opened.is_checked(f"#{field} input[value={value}]"):
            renewed(opened, lambda f=field, v=value: choose(opened, f, v))
    apple = "#noise_picker_box button[data-name=apple]"
    if opened.get_attribute(apple, "aria-pressed") != "true":
        renewed(opened, lambda: opened.click(apple))
    opened.click("[data-match=t]")
    opened.click(".noise [data-right=against]")
    yield opened
    assert opened.mistakes == []


def renewed(page, act) -> None:
    """Do something that asks for another process, and wait for it."""
    key = page.get_attribute(".noise", "data-key")
    act()
    page.wait_for_function("key => document.querySelector('.noise').dataset.key !== key", arg=key)


def choose(page, field, value):
    page.check(f"#{field} input[value={value}]", force=True)


def move(page, k):
    page.evaluate(
        """k => { const t = document.querySelector('#noise_t'); t.value = k;
                  t.dispatchEvent(new Event('input', { bubbles: true })); }""",
        k,
    )
    page.wait_for_selector(f".noise[data-k='{k}']")


def cell(page, name, which=0):
    box = page.locator(f"#noise_cells [data-cell={name}] dd").nth(which)
    return box.inner_text().replace("−", "-")


def seen(page, id):
    """The canvas at the state's own size, (H, W, 3)."""
    said = page.evaluate(
        """id => { const pane = document.querySelector('.noise').stage.panes[id].image;
                   return [pane.width, pane.height, Array.from(pane.data)]; }""",
        id,
    )
    return np.array(said[2], float).reshape(said[1], said[0], 4)[..., :3]


def expected(lab_page, share, schedule="cosine", **more):
    noising = Noising(Schedule(schedule), **more)
    strip = lab_page[1].lab.strip(noising, noise_messages.bundled()["apple"], (share,))
    return strip.rows[0], np.asarray(Image.open(io.BytesIO(strip.frames[0])), float)


@pytest.mark.ui
def test_the_page_draws_the_state_that_the_engine_would(page, lab_page):
    for k in (100, 900):
        move(page, k)
        row, frame = expected(lab_page, k / 999)
        assert np.abs(seen(page, "left") - frame).max() <= 1.0
        assert float(cell(page, "alpha_bar")) == pytest.approx(row.alpha_bar, rel=5e-3)
        assert float(cell(page, "kl")) == pytest.approx(row.kl, rel=5e-3)
        assert float(cell(page, "std")) == pytest.approx(row.std, abs=2e-3)
        assert float(cell(page, "mean")) == pytest.approx(row.mean, abs=2e-3)


@pytest.mark.ui
def test_two_schedules_differ_at_equal_t_and_agree_at_equal_log_snr(page, lab_page):
    move(page, 400)
    _, frame = expected(lab_page, 400 / 999, "linear")
    assert np.abs(seen(page, "right") - frame).max() <= 1.0
    assert cell(page, "logsnr") != cell(page, "logsnr", 1)
    page.click("[data-match=logsnr]")
    assert cell(page, "logsnr") == cell(page, "logsnr", 1)
    assert np.abs(seen(page, "right") - seen(page, "left")).max() <= 1.0


@pytest.mark.ui
def test_another_schedule_changes_the_numbers(page):
    before = cell(page, "alpha_bar")
    renewed(page, lambda: choose(page, "noise_schedule", "flow"))
    assert cell(page, "alpha_bar") != before
    renewed(page, lambda: choose(page, "noise_against", "none"))
    assert page.locator("#noise_cells [data-cell=alpha_bar] dd").count() == 1


@pytest.mark.ui
def test_the_posteriors_mean_is_shown_in_numbers(page):
    page.click(".noise [data-right=mean]")
    said = page.inner_text(".noise [data-part=right_meaning]")
    assert "β" in said and "x" in said


@pytest.mark.ui
def test_latents_are_drawn_and_decoded(page):
    renewed(page, lambda: choose(page, "noise_space", "latent"))
    page.wait_for_selector(".noise [data-right=decoded]:not([hidden])")
    assert seen(page, "left").shape == (8, 8, 3)


@pytest.mark.ui
def test_an_upload_is_noised_in_its_place(page, tmp_path):
    file = tmp_path / "own.png"
    Image.fromarray(shape_picture("green", "bar", 50)).save(file)
    renewed(page, lambda: page.set_input_files("#noise_upload input[type=file]", str(file)))
    move(page, 0)
    middle = seen(page, "left")[60:68, 60:68].mean((0, 1))
    assert middle[1] > middle[0] + 60 and middle[1] > middle[2] + 60


@pytest.mark.ui
@pytest.mark.parametrize("wrong", ["text", "bomb"])
def test_a_file_that_is_no_picture_gets_a_sentence(page, tmp_path, wrong):
    file = tmp_path / "in.png"
    if wrong == "text":
        file.write_text("words")
    else:
        acts.bomb(file)
    page.set_input_files("#noise_upload input[type=file]", str(file))
    page.wait_for_selector(".noise_message.error:not([hidden])")
    assert "Traceback" not in page.inner_text(".noise_message")


@pytest.mark.ui
def test_a_wrong_number_gets_a_sentence_and_the_page_goes_on(page):
    page.click("#noise_more > button")
    page.fill("#noise_seed input", "apple")
    page.wait_for_selector(".noise_message.error:has-text('The seed must be')")
    renewed(page, lambda: page.fill("#noise_seed input", "5"))
    page.wait_for_selector(".noise_message[hidden]", state="attached")
    renewed(page, lambda: page.fill("#noise_seed input", "0"))


@pytest.mark.ui
def test_the_model_is_asked_at_every_level(page):
    choose(page, "noise_model", "shapes")
    page.click("#noise_knows > button")
    page.click("#noise_ask")
    page.wait_for_selector(".noise_guesses[data-done=true]")
    assert page.locator(".noise_guesses .gallery figure").count() == 11
    assert page.get_attribute(".noise", "data-right") == "guess"


@pytest.mark.ui
def test_a_picture_goes_to_noise_and_back(page):
    choose(page, "noise_model", "random")
    page.click("#noise_invert > button")
    page.fill("#noise_steps input", "4")
    choose(page, "noise_method", "edict")
    page.click("#noise_there_and_back")
    page.wait_for_selector(".noise_inversion[data-state=inverted]")
    assert float(page.get_attribute(".noise_inversion", "data-rmse")) < 1e-3


@pytest.mark.ui
def test_the_walk_says_how_it_agrees(page):
    page.click("#noise_walk > button")
    page.click("#noise_walk_go")
    page.wait_for_selector(".noise_walked[data-rows='5']")
    assert "1000" in page.locator(".noise_walked figcaption").last.inner_text()


@pytest.mark.ui
def test_the_gaussians_kl_is_the_closed_form(page):
    page.click("#noise_gaussians > button")
    page.wait_for_selector("#two_gaussians .said[data-pq]")
    said = float(page.get_attribute("#two_gaussians .said", "data-pq"))
    assert said == pytest.approx(math.log(1.4 / 0.7) + (0.49 + 4) / (2 * 1.96) - 0.5)


@pytest.mark.ui
@pytest.mark.parametrize(("button", "kind"), [("noise_png", "PNG"), ("noise_gif", "GIF")])
def test_strip_and_film_come_as_files(page, button, kind, tmp_path):
    with page.expect_download() as waiting:
        page.click(f"#{button}")
    waiting.value.save_as(tmp_path / "made")
    with Image.open(tmp_path / "made") as made:
        assert made.format == kind


@pytest.mark.ui
def test_the_tab_looks_as_it_did(page):
    move(page, 400)
    page.mouse.move(1, 1)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(300)
    png = page.locator(".noise").screenshot(animations="disabled")
    looks.OUT.mkdir(exist_ok=True)
    (looks.OUT / "noise.png").write_bytes(png)
    now, baseline = looks.stored(png), looks.BASELINES / "noise.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        now.save(baseline, quality=80)
    share = looks.difference(now, Image.open(baseline).convert("RGB"))
    assert share <= looks.MOST, f"{share:.1%} of the tab looks different; see tests/ui/out"


@pytest.mark.ui
def test_nothing_is_wider_than_a_narrow_window(browser, lab_page):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    page = context.new_page()
    page.goto(lab_page[0])
    page.click("#tab_noise-button")
    page.wait_for_selector(".noise[data-state=process]")
    wide = page.evaluate("document.documentElement.scrollWidth")
    plots = page.evaluate(
        """[...document.querySelectorAll('.noise .plot svg')]
               .map((svg) => svg.getBoundingClientRect().right)"""
    )
    context.close()
    assert wide <= 390
    assert plots and max(plots) <= 390


def test_both_languages_say_the_same_things():
    folder = noise_messages.theme.STATIC.parent / "catalogue"
    both = [json.loads((folder / f"noise.{name}.json").read_text()) for name in ("en", "zh-CN")]
    assert both[0].keys() == both[1].keys()
