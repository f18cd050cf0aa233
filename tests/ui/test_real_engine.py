"""The page on the real engine and the exact denoiser: the whole way, once."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from studio.recipe import Request
from studio.settings import Settings
from studio.store.files import read_recipe
from tests.ui import acts, drawings
from tests.ui.conftest import free_port

pytestmark = [pytest.mark.ui, pytest.mark.integration]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    from studio.engine.engine import LocalEngine
    from studio.ui import shell

    settings = Settings.from_env({}, port=free_port(), threads=1)
    engine = LocalEngine(settings)
    demo = shell.build(engine, settings)
    shell.serve(demo, settings, prevent_thread_lock=True, quiet=True)
    engine.start()
    yield f"http://127.0.0.1:{settings.port}/", engine
    demo.close()
    engine.close()


def exact(page) -> None:
    """Choose the exact denoiser, whatever the default is."""
    page.check("#model input[value=exact-icons]", force=True)
    page.wait_for_function("document.querySelector('#model_note p').textContent.length > 0")


def test_the_first_click_gives_a_picture_and_its_recipe_makes_it_again(tab, real):
    url, engine = real
    page = tab(url)
    exact(page)
    page.fill("#prompt textarea", "red apple")
    page.fill("#steps input", "100")  # twenty are over before a busy page has drawn five
    page.evaluate(acts.SEEN)
    page.click("#generate")
    acts.done(page)
    page.wait_for_function("window.seen.size >= 5")
    with page.expect_download() as expected:
        page.click("#save_png")
    path = expected.value.path()
    shown = np.asarray(Image.open(path).convert("RGB"))
    assert shown.std() > 20
    run = engine.submit(Request.from_json(read_recipe(path)))
    made = list(engine.events(run))[-1]
    again = np.asarray(Image.open(io.BytesIO(made.pictures[0])).convert("RGB"))
    assert hashlib.sha256(again.tobytes()).digest() == hashlib.sha256(shown.tobytes()).digest()
    engine.forget(run)


def test_every_recorded_step_can_be_scrubbed(tab, real):
    page = tab(real[0])
    exact(page)
    acts.generate(page, "pizza", steps=10)
    acts.done(page)
    acts.walk_through(page, 10)


def test_a_part_of_a_picture_is_painted_anew_and_the_rest_stays_as_it_was(tab, real, tmp_path):
    page = tab(real[0])
    exact(page)
    path = tmp_path / "given.png"
    given = drawings.drawing("yellow lemon", 5)
    path.write_bytes(drawings.encode(given, "PNG"))
    acts.fold_out(page, "start_more")
    page.wait_for_selector("#start_give")
    page.set_input_files("#start_file", str(path))
    page.wait_for_selector("#start_mask:visible")
    page.locator("#start_mask").scroll_into_view_if_needed()
    box = page.locator("#start_mask").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.5 * box["height"], steps=6)
    page.mouse.up()
    acts.generate(page, "blue heart", steps=8)  # of which 6 run at the usual strength
    acts.done(page)
    assert page.get_attribute("#scrubber", "max") == "6"
    levels = page.evaluate("document.querySelectorAll('.chart circle').length")
    assert levels == 6
    with page.expect_download() as expected:
        page.click("#save_png")
    made = np.asarray(Image.open(expected.value.path()).convert("RGB"))
    changed = (made != given).any(-1)
    assert changed[58:70, 45:83].mean() > 0.5
    changed[50:78, 30:98] = False
    assert not changed.any()


def test_stop_now_ends_a_long_run(tab, real):
    page = tab(real[0])
    page.check("#model input[value=icons-unet]", force=True)  # long enough to be stopped
    page.wait_for_function("document.querySelector('#model_note p').textContent.length > 0")
    acts.generate(page, "rocket", steps=1000)
    page.wait_for_function("""() => {
        const [stage, stop] = [".stage", "#stop"].map((it) => document.querySelector(it));
        if (stage.dataset.state !== "step" || stop.disabled) return false;
        stop.click();
        return true;
    }""")
    acts.until(page, "cancelled")


def test_a_film_of_the_run_can_be_saved_in_either_form(tab, real):
    page = tab(real[0])
    exact(page)
    acts.generate(page, "blue heart", steps=6)
    acts.done(page)
    with page.expect_download() as expected:
        page.click("#save_gif")
    assert expected.value.path().read_bytes()[:4] == b"GIF8"
    with page.expect_download() as expected:
        page.click("#save_mp4")
    assert expected.value.path().read_bytes()[4:8] == b"ftyp"


def test_a_prompt_it_never_saw_is_said_with_what_is_nearest(tab, real):
    page = tab(real[0])
    exact(page)
    acts.generate(page, "quantum chromodynamics", steps=4)
    acts.done(page)
    page.wait_for_selector("#remarks p")
    assert "Nothing like" in page.inner_text("#remarks")
    page.check("#model input[value=icons-dit]", force=True)  # of words it knows names of classes
    page.fill("#prompt textarea", "quantum chromodynamics")
    page.wait_for_selector(".known:visible:has-text('nothing near')")


def test_lanes_race_on_one_noise_and_are_measured(tab, real):
    url, engine = real
    page = tab(url)
    page.click("#tab_race-button")
    page.wait_for_selector(".race_editor[data-checked='1'] .lane-row")
    page.check("#race_model input[value=exact-icons]", force=True)
    for _ in range(3):
        page.click(".lane-row[data-place='3'] button.icon >> nth=1")
    page.fill("#race_budget", "6")
    page.fill("#race_prompt textarea", "pizza")
    page.click("#race_more > button")
    page.fill("#race_reference input", "60")
    page.click("#race_go")
    page.wait_for_selector(".race[data-state=finished]:not([data-race=recorded])")
    result = engine.races.result(page.get_attribute(".race", "data-race"))
    assert [row.nfe for row in result.rows] == [6, 6, 6]
    told = page.evaluate("document.querySelector('.race').stage.race.result.rows")
    assert [row["rmse"] for row in told] == pytest.approx([row.rmse for row in result.rows])
    assert page.locator(".race-table tbody tr").count() == 3
    assert page.inner_text(".race-head .hash") == f"x_T {result.xt_sha256[:12]}"
    frames = page.evaluate("document.querySelector('.race').stage.race.row(0, 'x0').length")
    assert frames == 6


def test_a_checkpoint_is_loaded_and_looked_into(tab, real):
    url, engine = real
    page = tab(url)
    page.click("#tab_models-button")
    page.wait_for_selector(".models[data-listed='1']")
    page.click("#models_list [data-id='icons-unet']")
    page.wait_for_selector(".models[data-model='icons-unet'] .arithmetic[data-plan='whole']")
    page.click("#models_forward_go")  # loads it first, unless it is there
    page.wait_for_selector(".models[data-look='forward'] .umap .urow.skip")
    assert "icons-unet" in [held.id for held in engine.holdings.memory().held]
    assert page.locator(".urow.skip").count() == 6
    page.click("#models_trip_go")
    page.wait_for_selector(".models[data-look='trip']")
    said = page.inner_text("[data-figure='models_psnr'] dd")
    assert 15 < float(said.removesuffix(" dB")) < 60
    assert page.noticed.errors == []
