"""`python -m studio grid` on a small checkpoint: the sheet, its JSON, and what it refuses."""

import json

import pytest
from PIL import Image

from studio.__main__ import main
from studio.gridding import Grid
from studio.store.files import read_recipe
from tests.engine.tiny import exact_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    exact_folder(folder / "shapes")
    return folder


def call(models, capsys, *options):
    status = main(["grid", "--models", str(models), "--threads", "1", *options])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_grid_becomes_one_picture_with_its_recipe(models, capsys, tmp_path):
    out = tmp_path / "grid.png"
    status, line, quiet = call(
        models, capsys, "--x", "guidance=1,3", "--y", "sampler=ddim,heun", "--prompt", "red disc",
        "--steps", "3", "--out", str(out), "--json",
    )  # fmt: skip
    said = json.loads(line)
    assert (status, quiet) == (0, "")
    assert [(c["x"], c["y"], c["state"]) for c in said["cells"]] == [
        ("1", "ddim", "done"), ("3", "ddim", "done"), ("1", "heun", "done"), ("3", "heun", "done")
    ]  # fmt: skip
    assert [c["nfe"] for c in said["cells"]] == [3, 3, 5, 5]
    grid = Grid.from_json(read_recipe(out))
    assert (grid.request.prompt, grid.x.values) == ("red disc", ("1", "3"))
    assert min(Image.open(out).size) > 256


def test_a_grids_picture_is_filled_again_to_the_same_pictures(models, capsys, tmp_path):
    first, again = tmp_path / "a.png", tmp_path / "b.png"
    _, line, _ = call(models, capsys, "--x", "seed=1-5", "--prompt", "", "--json",
                      "--out", str(first))  # fmt: skip
    _, other, _ = call(models, capsys, "--from", str(first), "--json", "--out", str(again))
    hashes = [[c["pixels_sha256"] for c in json.loads(text)["cells"]] for text in (line, other)]
    assert hashes[0] == hashes[1] and len(set(hashes[0])) > 1


def test_the_cost_alone_runs_nothing(models, capsys, tmp_path):
    out = tmp_path / "none.png"
    status, line, _ = call(models, capsys, "--x", "steps=5,10", "--guidance", "3", "--plan",
                           "--out", str(out))  # fmt: skip
    assert (status, json.loads(line)["network_rows"], out.exists()) == (0, 30, False)


@pytest.mark.parametrize(
    "options, says",
    [
        ((), "Give the columns"),
        (("--x", "colour=red"), "no axis"),
        (("--x", "guidance=a"), "no value of the guidance scale"),
        (("--x", "seed=1-2", "--out", "grid.jpg"), "ends in .png"),
        (("--x", "words=red|blue", "--prompt", "pear"), "does not contain"),
        (("--from", "nowhere.png"), "no such picture"),
    ],
)
def test_what_cannot_be_filled_is_said_and_exits_with_2(models, capsys, options, says):
    status, out, error = call(models, capsys, *options)
    assert (status, out) == (2, "") and says in error and "Traceback" not in error


def test_a_grid_over_styles_and_wildcards_keeps_both_in_the_recipe(models, capsys, tmp_path):
    status, line, _ = call(
        models, capsys, "--x", "style=none,noto", "--prompt", "{red|blue} disc", "--steps", "2",
        "--out", str(tmp_path / "grid.png"), "--json",
    )  # fmt: skip
    said = json.loads(line)
    assert status == 0 and [c["state"] for c in said["cells"]] == ["done", "done"]
    assert said["request"]["prompt"] == "{red|blue} disc"
