"""People out of keypoints and limbs that are drawn here, and the figure that is drawn of them."""

import numpy as np
import pytest

from studio.imaging.pose import LIMBS, PARTS, drawn, pairs, peaks, people

GRID = 24, 40  # rows, columns
BODY = np.array([  # x, y in cells around the neck
    (0, -3), (0, 0), (-2, 0), (-3, 3), (-3, 6), (2, 0), (3, 3), (3, 6), (-1, 6), (-1, 10), (-1, 14),
    (1, 6), (1, 10), (1, 14), (-0.7, -3.6), (0.7, -3.6), (-1.6, -3.2), (1.6, -3.2),
], np.float32)  # fmt: skip


def maps(*necks: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The heat and the fields that people of BODY's shape with these necks would give."""
    y, x = np.mgrid[: GRID[0], : GRID[1]].astype(np.float32)
    heat = np.zeros((*GRID, 19), np.float32)
    fields = np.zeros((*GRID, 38), np.float32)
    for neck in necks:
        body = BODY + neck
        for part, (px, py) in enumerate(body):
            spot = np.exp(-((x - px) ** 2 + (y - py) ** 2) / 0.5)
            heat[..., part] = np.maximum(heat[..., part], spot)
        for a, b, place in LIMBS:
            way = body[b] - body[a]
            length = np.hypot(*way)
            along = ((x - body[a, 0]) * way[0] + (y - body[a, 1]) * way[1]) / length
            aside = np.abs((x - body[a, 0]) * way[1] - (y - body[a, 1]) * way[0]) / length
            on = (along > -1) & (along < length + 1) & (aside < 1)
            fields[on, place : place + 2] = way / length
    return heat, fields


def test_two_people_are_told_apart_and_lie_where_they_were_drawn():
    necks = (8.0, 6.0), (28.0, 7.0)
    found = people(*maps(*necks))
    assert found.shape == (2, PARTS, 3) and (found[..., 2] > 0.1).all()
    for person in found:
        where = person[:, :2] * (GRID[1], GRID[0]) - 0.5  # cells
        neck = min(necks, key=lambda n: abs(n[0] - where[1, 0]))
        assert np.abs(where - (BODY + neck)).max() < 0.5


def test_nobody_is_found_where_there_is_nobody_or_too_little_of_one():
    heat, fields = maps((8.0, 6.0))
    assert people(np.zeros_like(heat), fields).shape == (0, PARTS, 3)
    heat[..., 2:] = 0  # nose and neck alone
    assert len(people(heat, fields)) == 0


def test_a_limb_joins_along_the_field_alone_and_no_keypoint_twice():
    one = np.array([[5, 5, 1.0], [5, 15, 1.0]], np.float32)
    other = np.array([[15, 5, 1.0], [15, 15, 1.0]], np.float32)
    field = np.zeros((20, 20, 2), np.float32)
    field[..., 0] = 1  # to the right
    assert sorted(pairs(one, other, field)) == [(0, 0), (1, 1)]
    assert pairs(one, other, -field) == []
    assert len(pairs(one, other[:1], field)) == 1


def test_a_peak_is_what_is_highest_around_it():
    heat = np.zeros((20, 20), np.float32)
    heat[4, 6], heat[5, 6], heat[15, 3], heat[10, 10] = 0.9, 0.5, 0.3, 0.05
    assert peaks(heat) == pytest.approx(np.array([[6, 4, 0.9], [3, 15, 0.3]]))


def test_the_figure_has_a_hue_for_each_part_and_leaves_out_what_is_unsure():
    found = people(*maps((20.0, 6.0)))
    figure = drawn(found, (240, 400), 0.1, 4)
    nose, neck = (tuple((found[0, k, :2] * (400, 240)).round().astype(int)) for k in (0, 1))
    assert tuple(figure[nose[1], nose[0]]) == (255, 0, 0)  # the first hue is red
    assert tuple(figure[neck[1], neck[0]]) == (255, 85, 0)
    assert figure[:5].max() == 0 and figure.shape == (240, 400, 3)
    unsure = found.copy()
    unsure[0, 3:, 2] = 0.2
    fewer = drawn(unsure, (240, 400), 0.3, 4)
    assert 0 < (fewer.max(axis=2) > 0).sum() < (figure.max(axis=2) > 0).sum() / 2
    assert drawn(found[:0], (32, 32), 0.1, 4).max() == 0
