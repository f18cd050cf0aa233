"""`python -m studio race --twin`: its line of JSON, its orders, its sentences."""

from __future__ import annotations

import json

import pytest

from studio.__main__ import main
from studio.twinning import Climb, Gap, Lane, Rung


def race(*words: str) -> int:
    return main(["race", "--particles", "200", "--threads", "1", *words])


def test_a_twin_is_raced_and_measured(tmp_path, capsys):
    file = tmp_path / "race.json"
    words = ("--twin", "pair", "--samplers", "ddim,dpmpp_2m,ddpm", "--nfe", "10,20,40,80")
    assert race(*words, "--json", str(file)) == 0
    said = capsys.readouterr()
    line = json.loads(said.out)
    assert json.loads(file.read_text()) == line
    assert len(line["rows"]) == 12 and line["twin"] == "pair" and len(line["xt_sha256"]) == 64
    orders = {row["sampler"]: row["order"] for row in line["orders"]}
    assert orders["ddim"] == pytest.approx(1, abs=0.35)
    assert orders["dpmpp_2m"] == pytest.approx(2, abs=0.6)
    assert orders["ddpm"] is None
    assert all((row["rmse"] is None) == (row["sampler"] == "ddpm") for row in line["rows"])
    assert all(row["seconds"] > 0 for row in line["rows"])
    assert "no pathwise limit" in said.err and "two true samples" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--twin", "sea"), "There is no mixture “sea”"),
        (("--twin", "pair", "--samplers", "dimm"), "There is no sampler “dimm”"),
        (("--twin", "pair", "--particles", "7"), "number of particles must be between"),
        (("--twin", "pair", "--steer", "cfg", "--class", "4"), "classes 0 to 1"),
        (("--twin", "pair", "--json", "/nowhere/at/all.json"), "folder"),
    ],
)
def test_what_cannot_be_raced_gets_a_sentence(words, sentence, capsys):
    assert race("--samplers", "ddim", "--nfe", "10", *words) == 2
    assert sentence in capsys.readouterr().err


def test_the_table_says_an_order_only_where_one_was_fitted():
    from types import SimpleNamespace

    from studio.cli.twin import table

    rung = Rung(10, 10, 0.1, 0.05, 0.2, 0.01)
    raced = SimpleNamespace(floor=Gap(0.1, 0.1), spread=Gap(0.01, 0.01))
    fitted = Climb(0, Lane(), "DDIM", 1, False, (rung,), 1.04, 0.02, (0,))
    bare = Climb(1, Lane(), "DDIM", 1, False, (rung,), None, None, ())
    assert "order 1.04 ± 0.02, nominal 1" in table(raced, [fitted])
    assert "order" not in table(raced, [bare])
