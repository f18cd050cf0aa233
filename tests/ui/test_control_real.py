"""The Control tab on the real engine, with a control network of random weights: the whole way."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from studio.recipe import Request
from studio.settings import Settings
from studio.store.files import read_recipe
from tests.ui.conftest import free_port

pytestmark = [pytest.mark.ui, pytest.mark.integration]


@pytest.fixture(scope="module")
def steered(tmp_path_factory):
    from studio.engine.engine import LocalEngine
    from studio.ui import shell
    from tests.checkpoints.small_prompt import prompt_folder
    from tests.engine.tiny import control_folder, sd_folder

    models = tmp_path_factory.mktemp("models")
    sd_folder(models / "random", "epsilon")
    said = models / "random" / "studio.json"
    about = json.loads(said.read_text()) if said.exists() else {}
    said.write_text(json.dumps(about | {"examples": ["red disc"]}))
    control_folder(models / "lines", models / "random", 5, base="random", preprocessor="canny")
    prompt_folder(models / "a-look", models / "random")
    settings = Settings.from_env({}, port=free_port(), threads=1, models=models)
    engine = LocalEngine(settings)
    demo = shell.build(engine, settings)
    shell.serve(demo, settings, prevent_thread_lock=True, quiet=True)
    engine.start()
    yield f"http://127.0.0.1:{settings.port}/", engine
    demo.close()
    engine.close()


def test_both_pictures_are_the_engines_own_and_the_saved_recipe_follows_again(tab, steered):
    url, engine = steered
    page = tab(url)
    page.click("#tab_control-button")
    page.wait_for_selector(".control_sheets[data-hint=there]")
    page.fill("#control_prompt textarea", "red disc")
    page.fill("#control_steps input", "4")
    page.click("#control_go")
    page.wait_for_selector(".control[data-state=finished]")
    told = page.evaluate("document.querySelector('.control').dataset.run").split()
    assert len(set(told)) == 2
    assert page.locator(".norm-map td").count() >= 4
    assert page.inner_text("#control_readout div:first-child dd") == "4 + 4"
    with page.expect_download() as saved:
        page.click("#control_save")
    path = saved.value.path()
    request = Request.from_json(read_recipe(path))
    assert request.controls[0].model == "lines" and request.controls[0].preprocess == "drawing"
    shown = np.asarray(Image.open(path).convert("RGB"))
    again = made(engine, request)
    # Alone its forwards have half the rows: sums of another order, 1e-6 apart before rounding.
    assert np.abs(again.astype(int) - shown).max() <= 1
    free = made(engine, request.with_(controls=()))
    assert np.abs(free.astype(int) - shown).max() > 20


def test_a_picture_is_a_prompt_and_its_crop_is_shown(tab, steered):
    """It receives the crop of its encoder's size; there are no lines over it and no guessing."""
    page = tab(steered[0])
    page.click("#tab_control-button")
    page.wait_for_selector(".control_sheets[data-hint=there]")
    before = page.locator("#control_hint_seen").get_attribute("src")
    page.check("input[name=control_kind][value=a-look]")
    page.wait_for_function(
        "src => document.querySelector('#control_hint_seen').src !== src", arg=before
    )
    page.wait_for_function("() => document.querySelector('#control_hint_seen').naturalWidth === 32")
    assert page.locator("#control_guess").count() == 0
    assert page.locator("input[name=control_preprocess]:checked").get_attribute("value") == "none"
    upload = {"name": "a.png", "mimeType": "image/png", "buffer": gradient()}
    page.locator("#control_file").set_input_files(upload)
    page.fill("#control_prompt textarea", "red disc")
    page.fill("#control_steps input", "4")
    page.click("#control_go")
    page.wait_for_selector(".control[data-state=finished]")
    assert page.locator(".norm-map tr").count() == 4  # its cross-attentions
    assert page.locator("#control_overlay").is_disabled()
    with page.expect_download() as saved:
        page.click("#control_save")
    (control,) = Request.from_json(read_recipe(saved.value.path())).controls
    assert control.model == "a-look" and control.preprocess == "none"


def gradient() -> bytes:
    rows, columns = np.mgrid[0:96, 0:128]
    rgb = np.stack([2 * columns, 255 - 2 * rows, np.full_like(rows, 90)], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(rgb.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def made(engine, request: Request) -> np.ndarray:
    run = engine.submit(request)
    last = list(engine.events(run))[-1]
    engine.forget(run)
    return np.asarray(Image.open(io.BytesIO(last.pictures[0])).convert("RGB"))
