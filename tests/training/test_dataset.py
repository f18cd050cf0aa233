"""Packing: the same inputs give the same bytes, a second run does nothing, damage is noticed."""

import numpy as np
import pytest

from studio.errors import BadData
from studio.training import captions, dataset


def pack(world, target, **changes):
    kind = {"sets": world["sets"], "held_styles": 2, "held_synonyms": 3} | changes
    return dataset.pack(world["archives"], target, **kind)


def test_a_second_run_writes_nothing(world, tmp_path):
    target = tmp_path / "icons.zip"
    assert pack(world, target)
    before = target.stat().st_mtime_ns
    assert not pack(world, target)
    assert target.stat().st_mtime_ns == before


def test_the_same_archives_give_the_same_bytes(world, tmp_path):
    pack(world, tmp_path / "a.zip")
    pack(world, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_another_seed_packs_again_and_splits_otherwise(world, tmp_path):
    target = tmp_path / "icons.zip"
    held = set()
    for seed in range(6):
        assert pack(world, target, seed=seed)
        held.add(tuple(r.held for r in dataset.load(target).records))
    assert len(held) > 1


def test_variants_are_not_packed(icons):
    names = {record.icon for record in icons.records}
    assert not names & {"cat-face-dark-skin-tone", "flag-france", "keycap-3", "man-artist"}


def test_every_set_keeps_its_licence_and_its_author(icons):
    for key in ("noto", "twemoji", "fxemoji", "emojione"):
        assert icons.licences[key]["licence"] == "MIT"
        assert icons.licences[key]["author"]["name"] == "A Painter"
    assert icons.licences["emojibase"]["licence_text"] == "MIT"


def test_pictures_are_what_the_svg_says(icons):
    row = next(
        i for i, r in enumerate(icons.records) if (r.set, r.concept) == ("twemoji", "blue-heart")
    )
    picture = icons.pixels[row]
    assert picture.shape == (128, 128, 3)
    np.testing.assert_array_equal(picture[64, 64], (0x22, 0x22, 0xDD))
    np.testing.assert_array_equal(picture[2, 2], (255, 255, 255))


def test_one_style_of_each_chosen_concept_is_held_out(icons):
    held = [record for record in icons.records if record.held]
    assert len(held) == 2
    assert len({record.concept for record in held}) == 2


def test_held_out_words_never_reach_a_training_caption(icons):
    words = {word for held in icons.held_synonyms.values() for word in held}
    assert len(words) == 3
    known = captions.all_phrases(icons)
    for record in icons.records:
        for text in captions.variants(record, icons, known, 40, 0):
            assert not words & set(text.split())


def test_captions_depend_on_the_seed_alone(icons):
    known = captions.all_phrases(icons)
    record = icons.records[0]
    first = captions.variants(record, icons, known, 12, 5)
    assert captions.variants(record, icons, known, 12, 5) == first
    assert captions.variants(record, icons, known, 12, 6) != first


def test_the_bare_name_is_always_among_the_captions(icons):
    known = captions.all_phrases(icons)
    for record in icons.records:
        assert captions.variants(record, icons, known, 1, 0) == [
            icons.concepts[record.concept].name
        ]


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(BadData, match="run `python -m studio train data` first"):
        dataset.load(tmp_path / "icons.zip")


def test_a_damaged_file_is_noticed(packed, tmp_path):
    raw = bytearray(packed.read_bytes())
    raw[len(raw) // 3] ^= 0xFF
    (tmp_path / "icons.zip").write_bytes(raw)
    with pytest.raises(BadData, match="damaged"):
        dataset.load(tmp_path / "icons.zip")
