"""The sheet: cells where their values are, labels beside them, and a size that can be opened."""

import io

import numpy as np
from PIL import Image

from studio.axes import Axis
from studio.gridding import Grid
from studio.imaging import grids
from studio.imaging.pictures import MAX_PIXELS, open_picture
from studio.recipe import Request

BASE = Request("icons", prompt="red apple")
COLOURS = ((200, 0, 0), (0, 160, 0), (0, 0, 200), (200, 160, 0))
GRID = Grid(BASE, Axis("guidance", ("1", "8")), Axis("sampler", ("ddim", "heun")))
NAMES = {"sampler": {"ddim": "DDIM", "heun": "Heun’s"}}


def plain(colour, width=128, height=128):
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def sheet(grid=GRID, pictures=None, names=NAMES):
    if pictures is None:
        pictures = {k: plain(colour) for k, colour in enumerate(COLOURS)}
    return np.asarray(open_picture(grids.sheet(grid, pictures, names))).astype(int)


def where(pixels, colour):
    """(top, bottom, left, right) of a colour."""
    rows, columns = np.nonzero((pixels == colour).all(2))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_every_cell_stands_whole_in_its_row_and_column():
    boxes = [where(sheet(), colour) for colour in COLOURS]
    assert all((b - a, d - c) == (128, 128) for a, b, c, d in boxes)
    tops, lefts = [box[0] for box in boxes], [box[2] for box in boxes]
    assert tops[0] == tops[1] < tops[2] == tops[3]
    assert lefts[0] == lefts[2] < lefts[1] == lefts[3]


def test_labels_stand_above_and_beside_the_cells():
    with_labels = sheet()
    top, _, left, _ = where(with_labels, COLOURS[0])
    column = with_labels[top - 40 : top - 6, left : left + 128]
    row = with_labels[top : top + 128, 24 : left - 6]
    assert (column < 100).all(2).any() and (row < 100).all(2).any()


def test_another_label_is_another_picture():
    other = sheet(names={"sampler": {"ddim": "DDIM", "heun": "Other"}})
    assert not np.array_equal(sheet(), other)


def test_a_cell_without_a_picture_stays_empty():
    made = sheet(pictures={0: plain(COLOURS[0])})
    _, bottom, left, right = where(made, COLOURS[0])
    empty = made[bottom + grids.GAP : bottom + grids.GAP + 128, left:right]
    assert (empty == np.array([0xEC, 0xEC, 0xE7])).all()


def test_without_rows_there_are_only_columns():
    made = sheet(Grid(BASE, GRID.x), {0: plain(COLOURS[0]), 1: plain(COLOURS[1])})
    assert where(made, COLOURS[0])[2] == grids.EDGE


def test_small_pictures_are_enlarged_by_a_whole_factor():
    made = sheet(pictures={0: plain(COLOURS[0], 32, 32)})
    top, bottom, left, right = where(made, COLOURS[0])
    assert (bottom - top, right - left) == (128, 128)


def test_pictures_of_different_sizes_keep_their_shapes():
    grid = Grid(BASE, Axis("size", ("128×128", "128×64")))
    made = sheet(grid, {0: plain(COLOURS[0]), 1: plain(COLOURS[1], 128, 64)})
    top, bottom, left, right = where(made, COLOURS[1])
    assert (bottom - top, right - left) == (64, 128)


def test_a_large_sheet_is_made_small_enough_to_be_opened_again():
    grid = Grid(BASE, Axis("seed", tuple(map(str, range(20)))), Axis("steps", tuple("12345")))
    data = grids.sheet(grid, {0: plain(COLOURS[0], 1024, 1024)}, {})
    assert np.prod(open_picture(data).size) <= MAX_PIXELS


def test_long_labels_and_letters_that_the_face_lacks_are_drawn_all_the_same():
    long = Axis("prompt", ("x" * 2000, "红苹果 " * 100))
    assert sheet(Grid(BASE, long), {}).shape[2] == 3
