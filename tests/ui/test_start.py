"""Starting from a picture on the page: given, painted over with the mouse, run, restored."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from studio.recipe import Request
from studio.store.files import png_with_recipe, read_recipe
from studio.ui import stream
from tests.ui import acts, drawings, looks

pytestmark = pytest.mark.ui
LEMON = drawings.encode(drawings.drawing("yellow lemon", 5, 300), "PNG")
GONE = "The picture that this recipe starts from is not here; give it again."
PASTE = """async (address) => {
  const data = new DataTransfer();
  const blob = await (await fetch(address)).blob();
  data.items.add(new File([blob], "pasted.png", { type: "image/png" }));
  const target = document.querySelector("#start_give");
  target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""
DROP = """async (address) => {
  const data = new DataTransfer();
  const blob = await (await fetch(address)).blob();
  data.items.add(new File([blob], "dropped.png", { type: "image/png" }));
  const target = document.querySelector("#start_give");
  target.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""


def unfolded(tab, **options):
    page = tab(**options)
    acts.fold_out(page, "start_more")
    page.wait_for_selector("#start_give")
    return page


def given(tab, tmp_path, data: bytes = LEMON, **options):
    """A page whose fold holds a picture."""
    page = unfolded(tab, **options)
    give(page, tmp_path, data)
    page.wait_for_selector("#start_mask:visible")
    return page


def give(page, tmp_path, data: bytes) -> None:
    path = tmp_path / "given.png"
    path.write_bytes(data)
    page.set_input_files("#start_file", str(path))


def paint(page, *places) -> None:
    """One stroke through places in the unit square of the frame."""
    page.locator("#start_mask").scroll_into_view_if_needed()
    box = page.locator("#start_mask").bounding_box()
    at = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def slide(page, value: float) -> None:
    page.locator("#start_strength").fill(str(value))


def asked(served, page) -> Request:
    """What the engine was asked for by the run that the stage shows."""
    return served.engine.runs[acts.done(page)].request


def mask_of(served, request: Request) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(served.engine.kept(request.mask))).convert("L"))


def test_a_painted_part_reaches_the_run_and_the_rest_is_kept(tab, served, tmp_path):
    page = given(tab, tmp_path)
    slide(page, 0.6)
    assert page.inner_text("#start_count").startswith("12 of 20 steps")
    paint(page, (0.3, 0.4), (0.7, 0.4))
    acts.generate(page, "blue heart")  # at once: the click waits for the mask
    request = asked(served, page)
    assert request.strength == 0.6 and served.engine.kept(request.image)
    mask = mask_of(served, request)
    assert mask.shape == (512, 512)
    assert mask[205, 256] == 255 and mask[205, 40] == 0 and mask[400, 256] == 0
    assert 0.02 < (mask > 127).mean() < 0.1
    assert page.get_attribute("#scrubber", "max") == "12"
    assert "12" in page.inner_text("#readout [data-cell=step]").split()
    assert not page.noticed.errors


def test_the_shortened_run_is_counted_while_it_goes(tab, served, tmp_path):
    page = given(tab, tmp_path)
    acts.generate(page, "held lemon", steps=16)  # stays at step 9 of 12
    page.wait_for_selector(".stage[data-state=step][data-position='8']")
    assert "9 / 12" in page.inner_text("#readout [data-cell=step]").replace("\n", " ")
    assert page.get_attribute("[data-part=bar]", "aria-valuemax") == "12"
    assert float(page.inner_text("#readout [data-cell=left] b")) == pytest.approx(
        3 * 0.041, abs=0.1
    )
    page.click("#stop")
    acts.until(page, "cancelled")


def test_erasing_undoing_and_clearing_the_mask(tab, served, tmp_path):
    page = given(tab, tmp_path)
    paint(page, (0.2, 0.5), (0.8, 0.5))
    page.wait_for_selector(".start:not([data-mask=''])[data-mask]")
    page.click("#start_eraser")
    paint(page, (0.5, 0.5), (0.9, 0.5))
    acts.generate(page, "blue heart")
    half = mask_of(served, asked(served, page))
    assert half[256, 130] == 255 and half[256, 380] == 0
    former = page.get_attribute(".stage", "data-run")
    page.click("#start_undo")
    acts.generate(page, "red apple")
    page.wait_for_function(
        "former => document.querySelector('.stage').dataset.run !== former", arg=former
    )
    assert mask_of(served, asked(served, page))[256, 380] == 255
    page.click("#start_clear")
    page.wait_for_selector(".start[data-mask='']")


def test_a_removed_picture_leaves_a_run_from_noise(tab, served, tmp_path):
    page = given(tab, tmp_path)
    page.click("#start_remove")
    page.wait_for_selector("#start_give:visible")
    acts.generate(page, "blue heart")
    request = asked(served, page)
    assert (request.prompt, request.image, request.mask) == ("blue heart", "", "")
    assert page.get_attribute("#scrubber", "max") == "20"


@pytest.mark.parametrize("how", [DROP, PASTE], ids=["dropped", "pasted"])
def test_a_picture_can_be_dropped_or_pasted(tab, how):
    page = unfolded(tab)
    page.evaluate(how, stream.png(LEMON))
    page.wait_for_selector("#start_mask:visible")
    assert page.evaluate("document.querySelector('#start_picture').naturalWidth") == 300


def test_what_is_no_picture_gets_a_sentence(tab, tmp_path):
    page = unfolded(tab)
    give(page, tmp_path, b"GIF89a nothing")
    page.wait_for_selector("#start_note.error:visible")
    assert "not a PNG, JPEG or WebP picture" in page.inner_text("#start_note")
    assert page.is_visible("#start_give")


def test_no_step_left_is_said_before_and_refused_in_words(tab, tmp_path):
    page = given(tab, tmp_path)
    slide(page, 0)
    assert page.inner_text("#start_count").startswith("0 of 20 steps: none is left")
    acts.generate(page, "blue heart")
    assert "none is left; raise one of the two" in acts.message(page)


def test_a_saved_picture_brings_its_start_back(tab, served, tmp_path):
    page = given(tab, tmp_path)
    slide(page, 0.5)
    paint(page, (0.2, 0.2), (0.8, 0.8))
    acts.generate(page, "blue heart")
    request = asked(served, page)
    with page.expect_download() as expected:
        page.click("#save_png")
    saved = tmp_path / "saved.png"
    expected.value.save_as(saved)
    assert Request.from_json(read_recipe(saved)) == request
    other = tab()
    acts.drop(other, saved)
    other.wait_for_selector("#start_mask:visible")  # the fold opens by itself
    other.wait_for_function(
        "document.querySelector('#start_count').textContent.startsWith('10 of')"
    )
    other.click("#generate")
    assert asked(served, other) == request


def test_a_recipe_whose_picture_is_not_kept_says_so_and_loses_nothing(tab, served, tmp_path):
    request = Request("icons-unet", "blue heart", seed=9, steps=10, image="c" * 64, strength=0.3)
    path = tmp_path / "recipe.png"
    path.write_bytes(png_with_recipe(LEMON, request.to_json()))
    page = tab()
    acts.drop(page, path)
    assert acts.message(page) == GONE
    page.wait_for_selector("#start_note.error:visible")
    assert page.inner_text("#start_note") == GONE
    acts.holds(page, "#prompt textarea", "blue heart")
    acts.holds(page, "#seed input", "9")
    acts.holds(page, "#start_strength", "0.3")
    page.click("#generate")
    page.wait_for_timeout(300)
    assert acts.message(page) == GONE
    give(page, tmp_path, LEMON)
    page.wait_for_selector("#start_mask:visible")
    acts.holds(page, "#start_strength", "0.3")


def test_another_model_keeps_the_picture(tab, served, tmp_path):
    page = given(tab, tmp_path)
    page.check("#model input[value=exact-icons]", force=True)
    page.wait_for_function("document.querySelector('#model_note p').textContent.includes('recall')")
    acts.generate(page, "pizza")
    request = asked(served, page)
    assert request.model == "exact-icons" and request.image


def test_a_wide_picture_is_shown_as_it_will_be_cut(tab, served, tmp_path):
    wide = np.zeros((100, 300, 3), np.uint8)
    page = given(tab, tmp_path, drawings.encode(wide, "PNG"))
    paint(page, (0.02, 0.5), (0.1, 0.5))  # at the left edge of the middle square
    acts.generate(page, "blue heart")
    mask = mask_of(served, asked(served, page))
    assert mask.shape == (171, 512)
    _, columns = np.nonzero(mask > 127)
    assert abs(columns.min() - (512 - 171) / 2) < 25  # a stroke's half width from the square's edge


def test_the_fold_looks_as_it_did(tab, tmp_path):
    page = given(tab, tmp_path)
    paint(page, (0.3, 0.3), (0.7, 0.5), (0.4, 0.7))
    page.wait_for_selector(".start:not([data-mask=''])[data-mask]")
    page.mouse.move(0, 0)
    shot = looks.stored(page.locator("#start_more").screenshot())
    looks.OUT.mkdir(exist_ok=True)
    shot.save(looks.OUT / "start.png")
    path = looks.BASELINES / "start.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        shot.save(path, quality=80)
    assert looks.difference(shot, Image.open(path)) <= looks.MOST
