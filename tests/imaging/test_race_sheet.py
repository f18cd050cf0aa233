"""The sheet of a race: every lane is on it, the plot has the errors, numbers may be missing."""

import io

import numpy as np
import pytest
from PIL import Image

from studio.imaging.race_sheet import CELL, COLOURS, EDGE, Method, sheet
from studio.racing import Fit, Reference, Row
from studio.recipe import Guidance


def png(colour, side=CELL):
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def row(lane, nfe, rmse, order=1):
    return Row(
        lane, "ddim", order, nfe, "trailing", 0.0, Guidance(), nfe, 2 * nfe, 0.5, 0.6, rmse,
        None if rmse is None else 20.0, None, None, 12.0,
    )  # fmt: skip


def drawn(methods, pictures, references=()):
    data = sheet(("red apple", "seed 0"), methods, pictures, references)
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def has(picture, colour):
    rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return int((picture == rgb).all(-1).sum())


def test_every_lane_and_the_reference_is_on_it_at_full_size():
    colours = ["#ff0000", "#00ff00", "#0000ff"]
    lanes = tuple(row(k, 10 * (k + 1), 0.5**k) for k in range(3))
    reference = Reference(Guidance(), "unipc", "linspace", 200, 0.01, png("#ff00ff"))
    methods = [Method("DDIM", lanes, Fit(0, 1.0, 0.1, 1.0))]
    made = drawn(methods, {k: png(c) for k, c in enumerate(colours)}, (reference,))
    assert [has(made, c) for c in (*colours, "#ff00ff")] == [CELL * CELL] * 4


def test_lines_have_their_methods_colours_and_noise_only_rings():
    pictures = {k: png("#123456") for k in range(4)}
    plain = Method("DDIM", (row(0, 10, 0.5), row(1, 20, 0.25)))
    noisy = Method("DDPM", (row(2, 10, 0.5, None), row(3, 20, 0.4, None)))
    line = has(drawn([plain], pictures), COLOURS[0])
    rings = has(drawn([noisy], pictures), COLOURS[0])
    assert line > rings + 150


@pytest.mark.parametrize("side", [32, 100, 300])
def test_pictures_of_any_size_fit_their_cells(side):
    methods = [Method("DDIM", (row(0, 10, 0.5), row(1, 20, 0.2)))]
    made = drawn(methods, {0: png("#ff0000", side), 1: png("#00ff00", side)})
    assert has(made, "#ff0000") == has(made, "#00ff00") == CELL * CELL


def test_without_a_reference_there_is_a_table_and_no_plot():
    methods = [Method("DDIM", (row(0, 10, None), row(1, 20, None)))]
    made = drawn(methods, {0: png("#ff0000"), 1: png("#00ff00")})
    assert (made[:, made.shape[1] // 2 + EDGE * 8 :] == 255).mean() > 0.99
