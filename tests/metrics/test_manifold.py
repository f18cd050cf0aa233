"""Precision and recall against brute force, and of clouds made to lie in each other."""

import numpy as np
import pytest

from studio.metrics import manifold
from studio.metrics.manifold import inside, precision_recall, radii

DRAW = np.random.default_rng(0)


def by_force(points, cloud, k):
    found = []
    for point in points:
        hit = False
        for i, centre in enumerate(cloud):
            others = sorted(np.linalg.norm(centre - o) for j, o in enumerate(cloud) if j != i)
            hit |= np.linalg.norm(point - centre) <= others[k - 1]
        found.append(hit)
    return found


@pytest.mark.parametrize("k", [1, 3])
def test_a_point_is_inside_where_brute_force_says_so(k, monkeypatch):
    monkeypatch.setattr(manifold, "BLOCK", 7)  # so that blocks matter
    cloud, points = DRAW.standard_normal((25, 3)), DRAW.standard_normal((30, 3)) * 1.5
    assert inside(points, cloud, k).tolist() == by_force(points, cloud, k)


def test_on_a_line_the_radius_is_the_kth_gap():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])
    assert radii(line, 1) == pytest.approx([1, 1, 2, 4])
    assert radii(line, 2) == pytest.approx([3, 2, 3, 6])


def test_a_cloud_has_itself_whole_and_a_far_one_nothing():
    cloud = DRAW.standard_normal((40, 4))
    assert precision_recall(cloud, cloud) == (1.0, 1.0)
    assert precision_recall(cloud, cloud + 100) == (0.0, 0.0)


def test_a_generator_that_knows_one_of_two_kinds_is_precise_and_recalls_half():
    one, two = DRAW.standard_normal((2, 300, 2)) + np.array([[[0.0, 0.0]], [[50.0, 0.0]]])
    made = DRAW.standard_normal((300, 2))
    precision, recall = precision_recall(np.concatenate([one, two]), made)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)


def test_more_neighbours_than_points_are_refused():
    with pytest.raises(ValueError):
        radii(np.zeros((3, 2)), 3)
