"""Shares of colours in drawings that are painted in them."""

import numpy as np
import pytest

from studio.metrics.hues import HUES, share

PAINT = {"red": (220, 30, 30), "yellow": (250, 220, 40), "green": (40, 180, 60),
         "blue": (30, 90, 220), "purple": (150, 50, 200)}  # fmt: skip


def painted(*colours: tuple[int, int, int]) -> np.ndarray:
    picture = np.full((40, 40, 3), 255, np.uint8)
    for i, colour in enumerate(colours):
        picture[10:30, 10 + 20 * i // len(colours) : 10 + 20 * (i + 1) // len(colours)] = colour
    return picture


@pytest.mark.parametrize("colour", HUES)
def test_a_thing_of_one_colour_has_that_and_no_other(colour):
    found = {name: share(painted(PAINT[colour]), name) for name in HUES}
    assert found == {name: float(name == colour) for name in HUES}


def test_a_thing_of_two_colours_has_half_of_each_and_white_paper_does_not_count():
    both = painted(PAINT["red"], PAINT["blue"])
    assert share(both, "red") == share(both, "blue") == 0.5


def test_grey_has_no_colour():
    assert share(painted((90, 90, 95)), "blue") == 0.0
