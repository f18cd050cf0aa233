"""Extras at work in the engine: one look for many hints, and refusals in words."""

from dataclasses import replace

import numpy as np
import pytest

from studio.checkpoints.catalog import Catalog
from studio.controls import Control
from studio.engine import looks as module
from studio.engine.hints import KNOWN, Steering, shown
from studio.engine.looks import KEPT, Looks
from studio.engine.uploads import Uploads
from studio.errors import BadRequest
from studio.extras.shelf import Shelf
from studio.imaging.encode import png
from studio.imaging.preprocessors import PREPROCESSORS
from studio.imaging.preprocessors_learned import LEARNED

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)


class Whole(Shelf):
    """A shelf with everything on it; nobody looks at the weights."""

    def here(self, name):
        return True

    def weights(self, name):
        return name


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Looks whose depth network says how bright each pixel is; and how often it was asked."""
    asked = []

    def look(picture, weights):
        asked.append(weights)
        return picture.mean(axis=2).astype(np.float32)

    made = replace(LEARNED["depth"], look=look)
    monkeypatch.setitem(module.LEARNED, "depth", made)
    return Looks(Whole(tmp_path)), asked


def control(**more):
    return Control("icons", "0" * 64, preprocess="depth", **more)


def test_sliders_draw_anew_and_the_network_looks_once(seen):
    looks, asked = seen
    one = shown(control(), png(PICTURE), 48, 48, looks)
    other = shown(control(settings=(("blur", 6.0),)), png(PICTURE), 48, 48, looks)
    assert asked == ["depth"] and one.shape == other.shape == (48, 48, 3)
    assert (one != other).any()
    shown(control(), png(PICTURE), 32, 32, looks)
    assert len(asked) == 2  # another size is another picture


def test_what_was_seen_is_kept_within_bounds(seen):
    looks, asked = seen
    for shade in range(KEPT + 2):
        looks.hint("depth", np.full((8, 8, 3), shade, np.uint8))
    assert len(looks._seen) == KEPT and len(asked) == KEPT + 2


def test_what_is_not_installed_is_refused_before_a_run_and_at_the_hint(tmp_path):
    looks = Looks(Shelf(tmp_path))
    said = r"Depth: the network is not installed; `python -m studio extras install depth`"
    with pytest.raises(BadRequest, match=said):
        looks.check((control(),))
    for any_looks in (looks, None):
        with pytest.raises(BadRequest, match=said):
            shown(control(), png(PICTURE), 48, 48, any_looks)
    looks.check((replace(control(), preprocess="canny"),))
    assert looks.weights("lpips") is None


def test_the_list_says_which_extra_each_lacks(tmp_path):
    absent = Steering(Catalog(), Uploads(), Looks(Shelf(tmp_path))).preprocessors()
    assert {p.id for p in absent} == {"none", *KNOWN}
    missing = {p.id: p.missing for p in absent if p.missing}
    assert missing == {name: made.extra for name, made in LEARNED.items()}
    whole = Steering(Catalog(), Uploads(), Looks(Whole(tmp_path))).preprocessors()
    assert [p.missing for p in whole] == [""] * (1 + len(PREPROCESSORS) + len(LEARNED))


def test_a_setting_out_of_range_is_refused_for_these_too(tmp_path):
    with pytest.raises(BadRequest, match="Depth must be between 0 and 20"):
        shown(control(settings=(("clip", 50.0),)), png(PICTURE), 48, 48, Looks(Shelf(tmp_path)))
