"""What a control is trained on and judged by."""

import numpy as np
import pytest
import torch

from studio.imaging.preprocessors import PREPROCESSORS
from studio.training import control_data, hints, subset


def some(icons, kind="canny"):
    pictures = np.ascontiguousarray(icons.pixels[:4])
    return control_data.Held(
        pictures,
        np.stack([PREPROCESSORS[kind](p)[..., 0] for p in pictures]),
        np.stack([hints.lines(kind, p) for p in pictures]),
        ("a", "b", "c", "d"),
        torch.arange(5.0).view(5, 1, 1),
        torch.arange(4.0).view(4, 1, 1, 1),
        3,
    )


def test_the_pictures_that_the_denoiser_knows_get_their_share_of_the_draws(icons):
    rows, weights = control_data.weigh(icons, 0.7, 0)
    taught, own = subset.choose(icons, 0)
    share = {row: weight for row, weight in zip(rows, weights, strict=True)}
    assert 0 < len(taught) < len(rows)
    assert sum(share[row] for row in taught) == pytest.approx(0.7)
    assert sum(weights) == pytest.approx(1.0)
    ratios = [share[row] / weight for row, weight in zip(taught, own, strict=True)]
    assert max(ratios) == pytest.approx(min(ratios))
    assert not any(icons.records[row].held for row in rows)


def test_without_a_list_of_concepts_all_pictures_are_drawn_alike(icons):
    rows, weights = control_data.weigh(icons, 0.7, None)
    assert rows == icons.train_rows() and set(weights) == {1.0}


def test_a_real_picture_fits_its_own_hint_and_a_blank_one_does_not(icons):
    data = some(icons)
    assert control_data.score(data.pictures, data).f1 == 1.0
    blank = np.full_like(data.pictures, 255)
    found = control_data.score(blank, data)
    assert (found.f1, found.count) == (0.0, 4)
    assert control_data.score(blank[:0], data).count == 0


def test_the_first_hints_keep_their_prompts_and_their_noise(icons):
    first = some(icons).head(2)
    assert first.names == ("a", "b") and first.known == 2
    assert first.states.flatten().tolist() == [0, 1, 2]
    assert first.noise.flatten().tolist() == [0, 1]


def test_a_scribbles_lines_are_compared_thin(icons):
    data = some(icons, "scribble")
    assert (data.given > 0).sum() < (data.shown > 0).sum() / 2
