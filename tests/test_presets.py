"""Word lists and styles: they are sound, go on and come off again."""

import pytest

from studio.presets import HOLE, Style, styles, toggled, word_lists
from studio.prompting import choose, pieces


def test_every_list_can_be_named_and_drawn_from():
    for name, words in word_lists().items():
        assert len(set(words)) == len(words) >= 5
        assert choose(f"__{name}__", 3, word_lists()) in words


def test_every_style_has_one_place_for_the_prompt_and_can_be_read():
    assert len({style.id for style in styles()}) == len(styles()) >= 5
    for style in styles():
        assert style.prompt.count(HOLE) == 1
        pieces(style.prompt.replace(HOLE, "cat"))


@pytest.mark.parametrize("style", styles(), ids=lambda style: style.id)
def test_a_style_goes_on_and_comes_off(style):
    on = toggled("red apple", "text", style)
    assert on[0] != "red apple" and style.worn(on[0]) == "red apple"
    assert toggled(*on, style) == ("red apple", "text")


def test_one_style_takes_the_others_place():
    first, second = styles()[0], styles()[-1]
    both = toggled(*toggled("red apple", "", first), second)
    assert both == toggled("red apple", "", second)


def test_what_is_shorter_than_the_style_does_not_wear_it():
    assert Style("x", "ab {prompt} ab").worn("ab ab") is None


def test_without_the_files_there_is_nothing(tmp_path):
    assert (word_lists(tmp_path), styles(tmp_path)) == ({}, ())
