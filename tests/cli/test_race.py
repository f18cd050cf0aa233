"""`python -m studio race` on small checkpoints: files, rows, orders, refusals."""

import json

import pytest
from PIL import Image

from studio.__main__ import main
from studio.racing import RaceRequest
from studio.store.files import RACE, read_recipe
from tests.engine.conftest import models  # noqa: F401


@pytest.fixture
def raced(models, tmp_path, capsys):  # noqa: F811
    def run(*more):
        usual = ["race", "--models", str(models), "--model", "random", "--prompt", "red disc",
                 "--threads", "1", "--reference", "60"]  # fmt: skip
        status = main([*usual, *map(str, more)])
        said = capsys.readouterr()
        return status, json.loads(said.out) if status == 0 else said.err

    return run


def test_every_sampler_runs_at_every_number_of_evaluations(raced, tmp_path):
    out, file = tmp_path / "race.png", tmp_path / "race.json"
    status, line = raced(
        "--samplers", "ddim,heun,ddpm", "--nfe", "4,8,16", "--spacing", "karras",
        "--guidance-kind", "none", "--out", out, "--json", file,
    )  # fmt: skip
    assert status == 0 and json.loads(file.read_text()) == line
    rows = {(r["sampler"], r["nfe"]): r for r in line["rows"]}
    assert set(rows) == {("ddim", 4), ("ddim", 8), ("ddim", 16), ("heun", 3), ("heun", 7),
                         ("heun", 15), ("ddpm", 4), ("ddpm", 8), ("ddpm", 16)}  # fmt: skip
    assert rows["heun", 7]["steps"] == 4 and rows["ddim", 8]["steps"] == 8
    assert rows["ddim", 16]["rmse"] < rows["ddim", 4]["rmse"]
    assert all(r["seconds"] > 0 for r in line["rows"])
    assert line["orders"]["ddpm"] == {"order": None, "error": None, "words": "no pathwise limit"}
    assert line["orders"]["ddim"]["order"] > 0.3
    assert Image.open(out).size[0] > 600
    recipe = RaceRequest.from_json(read_recipe(out, RACE))
    assert [lane.steps for lane in recipe.lanes] == [row["steps"] for row in line["rows"]]


def test_more_lanes_than_a_race_holds_share_one_reference(raced):
    nfe = ",".join(str(n) for n in range(2, 9))
    status, line = raced("--samplers", "ddim,euler", "--nfe", nfe)
    assert status == 0
    assert [r["lane"] for r in line["rows"]] == list(range(14))
    assert len(line["references"]) == 1
    assert [group["lanes"] for group in line["same"]] == [[k, k + 7] for k in range(7)]


def test_equal_steps_instead_of_equal_evaluations(raced):
    status, line = raced("--samplers", "ddim,heun", "--steps", "3", "--reference", 0)
    assert status == 0
    assert [(r["steps"], r["nfe"], r["rmse"]) for r in line["rows"]] == [(3, 3, None), (3, 5, None)]


@pytest.mark.parametrize(
    "options, said",
    [
        (["--samplers", "nobody,ddim"], "no sampler “nobody”"),
        (["--samplers", "ddim", "--nfe", "8"], "1 lanes"),
        (["--nfe", "many"], "numbers such as 10,20,40"),
        (["--nfe", "0"], "numbers such as 10,20,40"),
        (["--nfe", "8", "--steps", "8"], "give --nfe or --steps"),
        (["--twin", "pair", "--nfe", "8", "--steps", "8"], "give --nfe or --steps"),
        (["--twin", "pair", "--steps", "8"], "give it --nfe and --json"),
        (["--twin", "pair", "--out", "race.png"], "give it --nfe and --json"),
        (["--out", "race.gif"], "ends in .png"),
        (["--reference", "7"], "must be between 20 and 1000"),
    ],
)
def test_what_cannot_be_raced_is_refused_in_words(raced, options, said):
    status, error = raced(*options)
    assert status == 2 and said in error
