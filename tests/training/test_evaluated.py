"""A card's table: what was measured, good or bad, and nothing else of the card is touched."""

import json
from pathlib import Path

from studio.training import evaluated

NONE = {"value": None, "n": 0, "low": None, "high": None, "why": "no control"}
FOUND = {
    "retrieval_at_1": {
        "value": 0.604, "n": 48, "low": 0.417, "high": 0.792, "chance": 0.0008,
        "held_out": {"value": 0.48, "n": 200}, "held_out_taught": {"value": None, "n": 0},
    },
    "retrieval_at_5": {
        "value": 0.8, "n": 48, "low": 0.6, "high": 0.9, "held_out": {"value": 0.67, "n": 200},
    },
    "frechet": NONE,
    "edge_f1": NONE,
    "near_copies": NONE,
    "seconds_per_picture": {
        "value": 1.5, "n": 9, "low": 1.4, "high": 1.6, "least": 1.3, "most": 1.7,
        "processor": 0.4, "load": 6.0,
    },
    "also": {},
    "used": {
        "pictures": 48, "steps": 20, "sampler": "ddim", "guidance": 3.5, "seed": 0,
        "device": "cpu", "threads": 1, "features": "own features",
        "taught": {"concepts": 244, "of": 1407, "share": 0.173},
    },
}  # fmt: skip


def card(folder: Path) -> Path:
    folder.joinpath("README.md").write_text(f"a\n{evaluated.section(folder)}\nb\n")
    return folder / "README.md"


def test_each_figure_is_a_row_with_its_interval_its_n_and_its_bar():
    rows = evaluated.table(FOUND).splitlines()
    assert (
        "| concept of the nearest training picture | 60.4 % | 41.7 to 79.2 | 48 | ≥ 80 % |" in rows
    )
    assert "| one guided picture, by the clock | 1.5 s | 1.4 to 1.6 | 9 | ≤ 2 s |" in rows


def test_what_was_not_measured_says_why():
    said = evaluated.table(FOUND)
    assert "| edges' F1 against the lines given | — | | | ≥ 0.75 |" in said
    assert "edges' F1 against the lines given: no control" in said


def test_the_ceiling_and_what_was_used_are_said():
    said = evaluated.table(FOUND)
    assert "find their own concept in 48 % (200), among five in 67 %; chance 0.08 %" in said
    assert "244 of 1407 concepts (17 %)" in said and "Features: own features" in said
    assert "0.4 s of the processor (load 6)" in said


def test_a_card_says_that_nothing_was_evaluated_and_later_what_was(tmp_path):
    path = card(tmp_path)
    assert "Not evaluated yet" in path.read_text()
    (tmp_path / "eval.json").write_text(json.dumps(FOUND))
    assert evaluated.renew(tmp_path)
    text = path.read_text()
    assert text.startswith("a\n") and text.endswith("b\n") and "60.4 %" in text
    assert "Not evaluated yet" not in text
    assert evaluated.renew(tmp_path) and path.read_text() == text


def test_a_card_without_the_marks_stays_as_it_is(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    assert not evaluated.renew(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
