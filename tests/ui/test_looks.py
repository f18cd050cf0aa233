"""Screenshots against stored baselines, on the scripted engine.

`XT_UPDATE_BASELINES=1` stores what is seen now; the shots are kept in tests/ui/out either way.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from tests.ui import acts, looks

pytestmark = pytest.mark.ui
NARROW = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}


def first_load(tab):
    return tab()


def running(tab):
    page = tab()
    acts.generate(page, "held red apple")
    page.wait_for_selector(".stage[data-state=step][data-position='8']")
    return page


def finished(tab):
    page = tab()
    acts.generate(page, "blue heart", count=3)
    acts.done(page)
    page.wait_for_function("document.querySelectorAll('#strip img').length === 3")
    return page


def error(tab):
    page = tab()
    acts.generate(page, "a teapot", steps=0)
    acts.message(page)
    page.wait_for_selector("#known .chip")
    return page


def anatomy(tab):
    page = tab()
    acts.fold_out(page, "watching")
    page.check("#anatomy input")
    acts.generate(page, "held red apple")
    page.wait_for_selector(".stage[data-state=step][data-position='8']")
    page.wait_for_selector("#anatomy_view:not([hidden])")
    return page


def folds(tab):
    page = tab()
    for name in ("guidance_more", "path_more", "watching", "restore_more"):
        acts.fold_out(page, name)
    page.wait_for_selector("#anatomy input")
    return page


def narrow(tab):
    return tab(**NARROW)


def dark(tab):
    page = tab(color_scheme="dark")
    acts.generate(page, "blue heart")
    acts.done(page)
    return page


SCENES = [first_load, running, finished, error, anatomy, folds, narrow, dark]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_the_page_looks_as_it_did(tab, scene):
    page = scene(tab)
    page.mouse.move(1, 1)
    page.evaluate("document.activeElement?.blur()")
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)
    png = page.screenshot(full_page=True, animations="disabled", caret="hide")
    looks.OUT.mkdir(exist_ok=True)
    (looks.OUT / f"{scene.__name__}.png").write_bytes(png)
    now, baseline = looks.stored(png), looks.BASELINES / f"{scene.__name__}.jpg"
    if os.environ.get("XT_UPDATE_BASELINES"):
        baseline.parent.mkdir(exist_ok=True)
        now.save(baseline, quality=80)
    share = looks.difference(now, Image.open(baseline).convert("RGB"))
    assert share <= looks.MOST, f"{share:.1%} of the page looks different; see tests/ui/out"


def test_nothing_is_wider_than_the_window(tab):
    page = tab()
    for width in (390, 768, 1024, 1366, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("() => new Promise((r) => requestAnimationFrame(() => setTimeout(r, 100)))")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} pixels at a width of {width}"


def test_the_comparison_sees_a_moved_block():
    before = np.full((160, 160, 3), 240, np.uint8)
    before[40:80, 40:80] = 20
    after = np.roll(before, 24, axis=1)
    share = looks.difference(Image.fromarray(after), Image.fromarray(before))
    assert share > looks.MOST


def test_the_comparison_forgives_a_rounding():
    before = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    after = np.clip(before.astype(int) + 3, 0, 255).astype(np.uint8)
    assert looks.difference(Image.fromarray(after), Image.fromarray(before)) == 0.0
