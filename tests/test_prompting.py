"""Weights, BREAK and wildcards: what is read out of a prompt, and what is not."""

import pytest

from studio.errors import BadRequest
from studio.prompting import choose, pieces, plain


def spans(prompt):
    """Runs of letters of one weight, by piece."""
    out = []
    for piece in pieces(prompt):
        runs = []
        for letter, weight in zip(piece.text, piece.weights, strict=True):
            if runs and runs[-1][1] == round(weight, 4):
                runs[-1][0] += letter
            else:
                runs.append([letter, round(weight, 4)])
        out.append([tuple(run) for run in runs])
    return out


@pytest.mark.parametrize(
    "prompt, said",
    [
        ("a red apple", [("a red apple", 1)]),
        ("a (red) apple", [("a ", 1), ("red", 1.1), (" apple", 1)]),
        ("((cat)) [dog]", [("cat", 1.21), (" ", 1), ("dog", 0.9091)]),
        ("(red:1.3)", [("red", 1.3)]),
        ("(red:.5) (blue: 2 )", [("red", 0.5), (" ", 1), ("blue", 2)]),
        ("(a (b:2) c:0.5)", [("a ", 0.5), ("b", 1), (" c", 0.5)]),
        ("(red:0)", [("red", 0)]),
        (r"\(x\) \[y\] \\ \q", [(r"(x) [y] \ \q", 1)]),
        (r"(a\):1.5)", [("a)", 1.5)]),
        ("(a:1.5", [("(a:1.5", 1)]),
        ("a) [b", [("a) [b", 1)]),
        ("(a]b)", [("a]b", 1.1)]),
        ("(ratio a:b)", [("ratio a:b", 1.1)]),
        ("[a:2]", [("a:2", 0.9091)]),
        ("()", []),
        ("", []),
        ("BREAKFAST", [("BREAKFAST", 1)]),
    ],
)
def test_weights_are_read_as_people_write_them(prompt, said):
    assert spans(prompt) == [said]


def test_break_begins_a_piece_and_leaves_no_trace():
    assert spans("one BREAK two, BREAK, (three:2)") == [[("one", 1)], [("two,", 1)], [("three", 2)]]
    assert spans("BREAK") == [[]]
    assert plain("a (b:1.2) BREAK [c]") == "a b c"


def test_a_weight_beyond_all_sense_is_refused():
    with pytest.raises(BadRequest, match="“cat” weighs more than 10"):
        pieces("a (cat:11)")
    with pytest.raises(BadRequest, match="weighs more"):
        pieces("(" * 40 + "cat" + ")" * 40)


@pytest.mark.parametrize("prompt", ["(" * 2000, "([" * 1000, "(:1)" * 500, "\\" * 2000, ")" * 2000])
def test_hostile_brackets_take_no_time(prompt):
    assert len(plain(prompt)) <= 2000


LISTS = {"colour": ("red", "green"), "thing": ("{cat|dog}", "__colour__ hat"), "me": ("__me__",)}


def test_the_seed_chooses_and_chooses_the_same_again():
    made = [choose("a {red|green|blue} hat", seed, {}) for seed in range(60)]
    assert set(made) == {"a red hat", "a green hat", "a blue hat"}
    assert made == [choose("a {red|green|blue} hat", seed, {}) for seed in range(60)]
    assert all(10 <= made.count(one) <= 30 for one in set(made))


def test_what_was_chosen_once_is_chosen_for_ever():
    """Stored recipes rely on it."""
    made = [choose("{a|b|c|d} {a|b|c|d}", seed, {}) for seed in range(4)]
    assert made == ["a c", "a b", "d b", "d c"]


def test_other_words_around_change_no_choice():
    """So that a grid over styles compares styles."""
    for seed in range(10):
        plain, styled = (
            choose(t, seed, LISTS) for t in ("{a|b|c} __colour__", "x {a|b|c} __colour__ y")
        )
        assert styled == f"x {plain} y"


def test_each_wildcard_is_drawn_by_itself():
    made = {choose("{a|b} {a|b}", seed, {}) for seed in range(40)}
    assert made == {"a a", "a b", "b a", "b b"}


def test_wildcards_stand_within_each_other():
    assert {choose("{a|{b|c}}", seed, {}) for seed in range(40)} == {"a", "b", "c"}
    made = {choose("__thing__", seed, LISTS) for seed in range(60)}
    assert made == {"cat", "dog", "red hat", "green hat"}


@pytest.mark.parametrize(
    "text", ["plain", "{single}", r"\{a|b\}", "a|b", "}{", "a __B__ c", "{", ""]
)
def test_what_is_no_wildcard_stays_as_it_is(text):
    assert choose(text, 7, LISTS) == text


def test_an_empty_choice_is_one_too():
    assert {choose("a {|red }hat", seed, {}) for seed in range(20)} == {"a hat", "a redhat"}


def test_a_list_that_is_not_there_is_said_with_those_that_are():
    with pytest.raises(BadRequest, match="no word list “fruit”; those here are __colour__"):
        choose("a __fruit__", 0, LISTS)


def test_lists_that_name_themselves_end():
    with pytest.raises(BadRequest, match="more than 8 deep"):
        choose("__me__", 0, LISTS)


def test_a_prompt_that_grows_too_long_is_refused():
    with pytest.raises(BadRequest, match="longer than 2000"):
        choose("{a|b} __long__", 0, {"long": ("x" * 2001,)})
