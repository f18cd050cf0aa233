"""The Control tab in a browser, on the scripted engine; baselines of how it looks."""

import base64
import os
import struct
import zlib

import pytest
from PIL import Image

from studio.controls import Control
from tests.ui import acts, looks
from tests.ui.test_looks import NARROW

pytestmark = pytest.mark.ui
ROOF = [(0.2, 0.5), (0.5, 0.2), (0.8, 0.5), (0.8, 0.85), (0.2, 0.85), (0.2, 0.5)]


@pytest.fixture
def sheets(tab):
    """Opens the Control tab: `sheets(locale=…)` → a page whose first sheet's hint is there."""

    def open_sheets(**options):
        page = tab(**options)
        page.click("#tab_control-button")
        page.wait_for_selector(".control_sheets[data-hint=there]")
        return page

    return open_sheets


def drawn(page, points=ROOF):
    """Draw a line with the mouse, and wait for nothing."""
    page.locator("#control_paper").scroll_into_view_if_needed()
    box = page.locator("#control_paper").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def go(page, prompt="red apple", state="finished"):
    page.fill("#control_prompt textarea", prompt)
    page.click("#control_go")
    page.wait_for_selector(f".control[data-state={state}]")


def pane(page, name):
    return page.evaluate(f"document.querySelector('#control_pane_{name}').toDataURL()")


def upload(page, path, data: bytes):
    """By a file: bytes handed over one by one would take longer than all else."""
    path.write_bytes(data)
    page.locator("#control_file").set_input_files(path)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header alone says its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def wished(served, page, with_control=True):
    """The requests of the two runs that the page shows."""
    runs = page.get_attribute(".control", "data-run").split()
    return served.engine.runs[runs[0 if with_control else 1]].request


def test_a_drawing_is_followed_even_when_generate_is_clicked_at_once(sheets, served):
    page = sheets()
    page.click("#control_clear")
    page.wait_for_selector(".control_sheets[data-hint='']")
    drawn(page)
    go(page)
    steered, free = wished(served, page), wished(served, page, False)
    assert isinstance(steered.controls[0], Control) and free == steered.with_(controls=())
    assert steered.controls[0].preprocess == "drawing"
    hint = served.engine.steering.hint(steered.controls[0], 128, 128)
    shown = page.evaluate("document.querySelector('#control_hint_seen').src.split(',')[1]")
    assert shown == base64.b64encode(hint).decode()
    assert page.locator(".norm-map tr").count() == 7
    assert page.noticed.errors == []


def test_a_control_s_advised_guidance_is_asked_for_until_somebody_writes_another(sheets, served):
    page = sheets()
    field = "#control_guidance input"
    for choice, said in (("scribble", "2"), ("canny", "2.5")):
        page.check(f"#control_kind input[value=icons-control-{choice}]")
        assert page.input_value(field) == said
    go(page)
    assert wished(served, page).guidance.scale == 2.5
    page.fill(field, "4")
    page.check("#control_kind input[value=icons-control-scribble]")
    assert page.input_value(field) == "4"


def test_an_empty_sheet_and_a_wrong_family_are_said_in_words(sheets):
    page = sheets()
    page.check("#control_kind input[value=xl-lines]")
    page.wait_for_selector(".sheet-note.error:not([hidden])")
    assert "Stable Diffusion XL" in page.inner_text(".sheet-note")
    page.click("#control_go")
    page.wait_for_selector("#control_message .message.error:not([hidden])")
    assert "Stable Diffusion XL" in page.inner_text("#control_message")
    page.click("#control_clear")
    page.click("#control_go")
    page.wait_for_function(
        "() => document.querySelector('#control_message').innerText.includes('nothing to follow')"
    )
    assert page.get_attribute(".control", "data-state") == "empty"


def test_a_picture_that_is_not_opened_leaves_the_sheet_as_it_was(sheets, tmp_path):
    page = sheets()
    before = page.get_attribute("#control_hint_seen", "src")
    for data, said in (
        (png_of_size(30000, 30000), "900 megapixels"),
        (png_of_size(64, 64) + bytes(25 * 2**20), "larger than 20 MB"),
        (b"hello", "not a PNG, JPEG or WebP"),
    ):
        upload(page, tmp_path / "a.png", data)
        page.wait_for_selector(f".sheet-note.error:not([hidden]):has-text('{said}')")
        assert page.is_checked("#control_preprocess input[value=drawing]")
        assert page.get_attribute("#control_hint_seen", "src") == before
    go(page)


def test_two_sheets_are_two_controls_each_with_its_own(sheets, served):
    page = sheets()
    page.click("#control_add")
    drawn(page)
    page.check("#control_kind input[value=icons-control-canny]")
    page.fill("#control_scale", "0.5")
    page.check("#control_guess")
    go(page)
    first, second = wished(served, page).controls
    assert (first.model, first.scale, first.guess) == ("icons-control-scribble", 1.0, False)
    assert (second.model, second.scale, second.guess) == ("icons-control-canny", 0.5, True)
    assert first.image != second.image and page.locator(".norm-map").count() == 2
    one = pane(page, "hint")
    page.click("[data-part=hints] button >> nth=1")
    page.wait_for_function(
        "(one) => document.querySelector('#control_pane_hint').toDataURL() !== one", arg=one
    )
    page.click("#control_remove")
    assert page.locator("[id^=control_tab_]").count() == 1


def test_a_finished_pair_is_scrubbed_laid_over_and_stopped(sheets):
    page = sheets()
    go(page)
    done = pane(page, "with")
    page.fill("#control_overlay", "1")
    page.wait_for_function(
        "(was) => document.querySelector('#control_pane_with').toDataURL() !== was", arg=done
    )
    page.focus("#control_scrubber")
    page.keyboard.press("Home")
    page.wait_for_function(
        "() => document.querySelector('[data-part=step]').textContent === '1 / 20'"
    )
    assert pane(page, "without") != done
    go(page, "held red apple", "running")
    page.click("#control_stop")
    page.wait_for_selector(".control[data-state=cancelled]")
    page.wait_for_selector("#control_stop[disabled]")


def test_the_focus_stays_where_it_was_when_fields_are_laid_anew(sheets):
    page = sheets()
    changed = "(was) => document.querySelector('#control_hint_seen').src !== was"
    first = page.get_attribute("#control_hint_seen", "src")
    page.focus("#control_preprocess input[value=drawing]")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#control_set_gain")
    assert page.evaluate("document.activeElement.value") == "soft_edge"
    page.wait_for_function(changed, arg=first)
    bare = page.get_attribute("#control_hint_seen", "src")
    drawn(page)
    page.wait_for_function(changed, arg=bare)
    hint = page.get_attribute("#control_hint_seen", "src")
    page.focus("#control_paper")
    page.keyboard.press("Control+z")
    page.wait_for_function(changed, arg=hint)
    assert page.get_attribute("#control_hint_seen", "src") == bare


def test_closing_the_tab_ends_both_runs(sheets, served):
    page = sheets()
    go(page, "held red apple", "running")
    runs = page.get_attribute(".control", "data-run").split()
    page.close()
    assert acts.eventually(lambda: not any(run in served.engine.runs for run in runs))


def control_finished(sheets):
    page = sheets()
    go(page)
    return page


def control_narrow(sheets):
    page = sheets(**NARROW)
    go(page)
    return page


def control_dark(sheets):
    page = sheets(color_scheme="dark")
    page.click("#control_add")
    drawn(page)
    go(page, "blue heart")
    page.fill("#control_overlay", "0.8")
    return page


SCENES = [control_finished, control_narrow, control_dark]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_control_tab_looks_as_it_did(sheets, scene):
    page = scene(sheets)
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
