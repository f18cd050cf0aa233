"""What is drawn from what a network saw, and the networks' arithmetic on small weights made here.

The installed extras themselves are tried at the end, and skipped where they are not installed.
"""

import numpy as np
import pytest
import torch
from torch import nn

from studio.extras.shelf import Shelf
from studio.imaging import hed as network
from studio.imaging.preprocessors_learned import LEARNED, segments
from studio.settings import Settings

SHELF = Shelf(Settings.from_env().extras)
SEEN = {  # something that each network might have seen
    "depth": np.linspace(0.2, 1, 224 * 224, dtype=np.float32).reshape(224, 224),
    "lines": np.array([[0.25, 0.5, 0.75, 0.5, 0.9], [0.1, 0.1, 0.1, 0.2, 0.05]], np.float32),
    "pose": np.array([[[0.1 + 0.04 * k, 0.5, 0.9] for k in range(18)]], np.float32),
    "hed": np.tile(np.linspace(0, 1, 50, dtype=np.float16), (40, 1)),
}


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("size", [(64, 64), (97, 150)])
def test_a_hint_has_the_pictures_size_whatever_the_network_saw_at(name, size):
    hint = LEARNED[name].draw(SEEN[name], size)
    assert hint.shape == (*size, 3) and hint.dtype == np.uint8 and hint.max() > 150
    assert name == "pose" or (hint == hint[..., :1]).all()  # a figure has colours


@pytest.mark.parametrize("name", SEEN)
def test_every_default_is_on_its_slider_and_every_end_draws(name):
    for setting in LEARNED[name].settings:
        assert setting.least <= setting.default <= setting.most
        for end in (setting.least, setting.most):
            LEARNED[name].draw(SEEN[name], (32, 32), **{setting.name: end})


def test_near_is_white_far_is_black_and_no_depth_is_black():
    hint = LEARNED["depth"].draw(SEEN["depth"], (64, 64), clip=0, blur=0)
    assert hint[0, 0, 0] <= 2 and hint[-1, -1, 0] >= 253
    assert (np.diff(hint[:, 5, 0].astype(int)) >= 0).all()
    assert LEARNED["depth"].draw(np.full((224, 224), 0.5, np.float32), (32, 32)).max() == 0


def test_clipping_cuts_its_share_from_both_ends_of_a_ramp():
    hint = LEARNED["depth"].draw(SEEN["depth"], (224, 224), clip=20, blur=0)[..., 0]
    assert abs((hint == 255).mean() - 0.2) < 0.01
    assert abs((hint == 0).mean() - 0.2) < 0.01


def test_a_segment_lies_where_its_middle_and_offsets_say():
    offsets, scores = np.zeros((16, 32, 4), np.float32), np.zeros((16, 32), np.float32)
    scores[8, 16], scores[2, 3] = 0.9, 0.4
    offsets[8, 16] = (-8, 0, 8, 4)  # of x, y of one end, then of the other
    found = segments(offsets, scores)
    assert found[0] == pytest.approx([0.25, 0.5, 0.75, 0.75, 0.9])
    assert found[1, 4] == pytest.approx(0.4) and len(found) == 2


def test_segments_are_drawn_by_score_length_and_width():
    draw = LEARNED["lines"].draw
    hint = draw(SEEN["lines"], (64, 128), least=0)[..., 0]
    rows, columns = np.nonzero(hint > 128)
    assert set(rows) == {32} and (columns.min(), columns.max()) == (32, 96)
    assert draw(SEEN["lines"], (64, 128), threshold=2, least=0)[6:14, 10:16].any()
    assert not draw(SEEN["lines"], (64, 128), least=70).any()
    assert draw(SEEN["lines"], (64, 128), width=5).sum() > 3 * draw(SEEN["lines"], (64, 128)).sum()


def test_hed_edges_are_as_white_as_likely_and_cut_at_the_threshold():
    hint = LEARNED["hed"].draw(SEEN["hed"], (40, 50), gain=1)[0, :, 0].astype(float)
    assert np.abs(hint - 255 * np.linspace(0, 1, 50)).max() <= 1
    cut = LEARNED["hed"].draw(SEEN["hed"], (40, 50), threshold=100)[0, :, 0]
    assert (cut[hint < 98] == 0).all() and (cut[hint > 101] > 100).all()
    assert (LEARNED["hed"].draw(SEEN["hed"], (40, 50), gain=4)[0, 20:, 0] == 255).all()


@pytest.fixture(scope="module")
def small():
    """HED with few channels: the same names, other widths."""
    torch.manual_seed(0)
    weights, last = {}, 3
    for block, count in enumerate((2, 2, 3, 3, 3), 1):
        for layer in range(count):
            weights[f"block{block}.{layer}.weight"] = torch.randn(4, last, 3, 3) / 6
            weights[f"block{block}.{layer}.bias"] = torch.randn(4) / 10
            last = 4
        weights[f"side{block}.weight"] = torch.randn(1, 4, 1, 1)
        weights[f"side{block}.bias"] = torch.randn(1)
    weights["fuse.weight"], weights["fuse.bias"] = torch.randn(1, 5, 1, 1), torch.randn(1)
    return weights


def test_hed_is_its_blocks_sides_and_fusion(small):
    """Against the same network put together from torch's modules."""

    def layer(name, kernel):
        made = nn.Conv2d(*small[f"{name}.weight"].shape[1::-1], kernel, padding=kernel // 2)
        made.load_state_dict({k: small[f"{name}.{k}"] for k in ("weight", "bias")})
        return made

    x = torch.randn(1, 3, 33, 50)  # odd: pooling keeps the last column
    up = nn.Upsample((33, 50), mode="bilinear", align_corners=False)
    now, sides = x, []
    with torch.no_grad():
        for block, count in enumerate((2, 2, 3, 3, 3), 1):
            now = nn.MaxPool2d(2, ceil_mode=True)(now) if block > 1 else now
            for k in range(count):
                now = layer(f"block{block}.{k}", 3)(now).relu()
            sides.append(up(layer(f"side{block}", 1)(now)))
        expected = layer("fuse", 1)(torch.cat(sides, 1))
        assert torch.allclose(network.logits(x, small), expected, atol=1e-5)


def test_hed_sees_any_size_upright_and_at_most_so_large(small):
    seen = LEARNED["hed"].look(np.zeros((30, 700, 3), np.uint8), small)
    assert seen.shape == (16, 384) and 0 <= seen.min() <= seen.max() <= 1


def half() -> np.ndarray:
    """A bright square right of the middle of a dark picture."""
    picture = np.full((128, 128, 3), 40, np.uint8)
    picture[32:96, 64:112] = (230, 200, 60)
    return picture


@pytest.mark.parametrize("name", ["depth", "lines", "hed"])
def test_an_installed_network_answers_at_the_pictures_size_and_upright(name):
    if not SHELF.here(LEARNED[name].extra):
        pytest.skip(SHELF.missing(LEARNED[name].extra))
    made, weights = LEARNED[name], SHELF.weights(LEARNED[name].extra)
    hint = made.draw(made.look(half(), weights), (128, 128))
    assert hint.shape == (128, 128, 3) and hint.max() > 200
    if name == "hed":  # white on the square's rim, black inside and outside
        assert hint[60:68, 62:66].max() > 150 and hint[50:78, 78:98].max() < 60
        assert hint[40:88, 10:50].max() < 60
    if name == "lines":
        columns = np.nonzero(hint[40:88].max(axis=(0, 2)) > 128)[0]
        assert len(columns) and all(min(abs(c - 64), abs(c - 111)) <= 4 for c in columns)


def test_an_installed_pose_network_finds_nobody_in_a_square():
    if not SHELF.here("pose"):
        pytest.skip(SHELF.missing("pose"))
    seen = LEARNED["pose"].look(half(), SHELF.weights("pose"))
    assert seen.shape[1:] == (18, 3) and len(seen) == 0
