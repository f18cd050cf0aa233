"""Which icons draw which concept, and which are left out."""

import pytest

from studio.training import concepts

SPELLINGS = {"dizzyface": "dizzy-face", "redapple": "red-apple", "flagfrance": None}


@pytest.mark.parametrize(
    ("icon", "slug"),
    [
        ("red-apple", "red-apple"),
        ("dizzyface", "dizzy-face"),
        ("flag-france", None),
        ("ear-dark-skin-tone", None),
        ("artist-medium-light", None),
        ("woman-cook", None),
        ("keycap-7", None),
        ("phoenix-bird", "phoenix-bird"),
    ],
)
def test_an_icon_is_placed_by_its_name(icon, slug):
    assert concepts.place(icon, [], SPELLINGS) == slug


def test_an_alias_places_an_icon_whose_own_name_is_unknown():
    assert concepts.place("apple-1", ["red-apple"], SPELLINGS) == "red-apple"


def test_a_set_of_run_together_names_makes_no_concepts_of_its_own():
    assert concepts.place("twospeechbubbles", [], SPELLINGS, own_names=False) is None


def test_slugs_are_plain_ascii():
    assert concepts.slug("Piñata, on a Flag’s Pole!") == "pinata-on-a-flags-pole"


def test_a_keyword_of_many_concepts_tells_none_of_them_apart():
    many = {
        str(i): concepts.Concept(str(i), f"n{i}", (), ("animal", f"own{i}"), "g", i)
        for i in range(9)
    }
    assert concepts.specific(many)["3"] == ("own3",)
