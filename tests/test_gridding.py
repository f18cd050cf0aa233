"""A grid: which request each cell is, what is refused, and its JSON."""

import json

import pytest

from studio.axes import Axis
from studio.errors import BadRecipe, BadRequest
from studio.gridding import Grid
from studio.recipe import Request

BASE = Request("icons", prompt="red apple", seed=3)
GUIDED = Axis("guidance", ("1", "3", "5"))
SEEDS = Axis("seed", ("7", "8"))


def test_cells_are_counted_row_by_row():
    grid = Grid(BASE, GUIDED, SEEDS)
    assert (grid.columns, grid.rows, grid.cells) == (3, 2, 6)
    said = [(grid.at(k).guidance.scale, grid.at(k).seed) for k in range(6)]
    assert said == [(1, 7), (3, 7), (5, 7), (1, 8), (3, 8), (5, 8)]


def test_without_a_second_axis_there_is_one_row():
    grid = Grid(BASE, GUIDED)
    assert (grid.rows, [grid.at(k).seed for k in range(3)]) == (1, [3, 3, 3])


def test_every_cell_is_one_picture():
    assert Grid(BASE.with_(count=4), GUIDED).at(0).count == 1


def test_one_field_serves_one_axis_but_words_serve_both():
    with pytest.raises(BadRequest, match="Both axes run over the seed"):
        Grid(BASE, SEEDS, SEEDS)
    grid = Grid(BASE, Axis("words", ("red", "blue")), Axis("words", ("apple", "hat")))
    said = [grid.at(k).prompt for k in range(4)]
    assert said == ["red apple", "blue apple", "red hat", "blue hat"]


def test_a_value_out_of_range_is_refused_at_once():
    with pytest.raises(BadRequest, match="between 0 and 50, not 60"):
        Grid(BASE, Axis("guidance", ("1", "60")), SEEDS)


def test_too_many_cells_are_refused_with_the_product():
    many = Axis("seed", tuple(map(str, range(40))))
    with pytest.raises(BadRequest, match="40 × 20 are 800 cells"):
        Grid(BASE, many, Axis("steps", tuple(map(str, range(1, 21)))))


def test_json_brings_the_grid_back():
    grid = Grid(BASE, GUIDED, Axis("words", ("red", "蓝")))
    assert Grid.from_json(grid.to_json()) == grid
    assert Grid.from_json(Grid(BASE, GUIDED).to_json()) == Grid(BASE, GUIDED)


SAID = json.loads(Grid(BASE, GUIDED, SEEDS).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        BASE.to_json(),
        json.dumps({**SAID, "grid": 2}),
        json.dumps({**SAID, "more": 1}),
        json.dumps({**SAID, "x": None}),
        json.dumps({**SAID, "x": {"field": "seed"}}),
        json.dumps({**SAID, "x": {"field": "seed", "values": "12"}}),
        json.dumps({**SAID, "x": {"field": "seed", "values": [1]}}),
        json.dumps({**SAID, "x": {"field": ["seed"], "values": ["1"]}}),
        json.dumps({**SAID, "x": {"field": "path", "values": ["/etc"]}}),
        json.dumps({**SAID, "x": {"field": "steps", "values": ["x"]}}),
        json.dumps({**SAID, "x": {"field": "interval", "values": ["1-2-3"]}}),
        json.dumps({**SAID, "x": {"field": "size", "values": ["64"]}}),
        json.dumps({**SAID, "request": {"model": "m"}}),
        json.dumps({**SAID, "request": 7}),
        "x" * 200_000,
    ],
)
def test_a_file_that_holds_no_grid_is_refused_in_words(text):
    with pytest.raises(BadRecipe):
        Grid.from_json(text)


def test_a_single_picture_says_that_a_grids_recipe_is_a_grid():
    with pytest.raises(BadRecipe, match="a whole grid"):
        Request.from_json(Grid(BASE, GUIDED).to_json())
