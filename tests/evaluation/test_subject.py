"""What a checkpoint is asked: only what it was taught, the same for the same seed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from studio.checkpoints.entry import Entry
from studio.contract import Request
from studio.evaluation import subject as subjects
from studio.metrics.hues import share
from studio.training.captions import all_phrases


def entry(folder: Path, **said) -> Entry:
    return Entry("some", folder, "sd", "Some", "", 64, (4, 8, 8), 1, 1, "MIT", "v", **said)


@pytest.fixture
def taught(tmp_path, icons):
    """A subject of three concepts."""
    names = ["pizza", "rocket", "cat face", "no such thing"]
    (tmp_path / "concepts.json").write_text(json.dumps(names))
    return subjects.subject(entry(tmp_path), Request("some", steps=7), icons, seed=3)


def test_what_it_was_taught_is_what_its_folder_names(taught):
    assert sorted(taught.taught) == ["cat-face", "pizza", "rocket"]


def test_each_concept_is_asked_in_three_styles_from_noise_of_its_own(taught, icons):
    asked = subjects.concepts(taught, icons, None)
    assert len(asked) == 9 and len({a.request.seed for a in asked}) == 9
    pizza = [a.request.prompt for a in asked if a.concept == "pizza"]
    assert pizza == [f"pizza in {style} style" for style in ("noto", "twemoji", "emojione")]
    assert all(a.request.steps == 7 for a in asked)
    assert subjects.concepts(taught, icons, 4) == asked[:4]


def test_another_seed_asks_from_other_noise(taught, icons):
    other = replace(taught, seed=4)
    one, two = (subjects.concepts(who, icons, None) for who in (taught, other))
    assert not {a.request.seed for a in one} & {a.request.seed for a in two}


def test_classes_are_asked_by_number_without_words(tmp_path, icons):
    classes = ("pizza, pie", "star", "unheard of")
    made = entry(tmp_path, conditions="class", classes=classes)
    who = subjects.subject(made, Request("some"), icons, 0)
    asked = subjects.concepts(who, icons, None)
    assert {(a.concept, a.request.label, a.request.prompt) for a in asked} == {
        ("pizza", 0, ""), ("star", 1, ""),
    }  # fmt: skip
    assert subjects.synonyms(who, icons, None) == subjects.colours(who, icons, None) == []


def test_synonyms_are_words_that_no_training_caption_holds(taught, icons):
    asked = subjects.synonyms(replace(taught, taught=tuple(icons.concepts)), icons, None)
    assert {(a.concept, a.word) for a in asked} == {
        (slug, word) for slug, words in icons.held_synonyms.items() for word in words
    }
    said = {word for ways in all_phrases(icons).values() for p in ways for word in p.text.split()}
    assert not said & {a.word for a in asked}


def test_a_colour_is_asked_only_of_things_that_are_never_drawn_in_it(taught, icons):
    asked = subjects.colours(taught, icons, None)
    pizza = {a.word for a in asked if a.concept == "pizza"}
    assert "blue" in pizza and "yellow" not in pizza  # it is painted #db4
    row = next(i for i, r in enumerate(icons.records) if r.concept == "pizza")
    assert share(icons.pixels[row], "yellow") > 0.9
    blue = [a for a in asked if a.word == "blue"]
    plain = subjects.colourless(taught, blue, icons)
    assert {a.request.prompt for a in blue} == {"a blue pizza", "a blue cat"}
    assert {a.request.prompt for a in plain} == {"a pizza", "a cat"}
    assert [a.request.seed for a in plain] == [a.request.seed for a in blue]
