"""The catalogue: both languages have the same keys and holes, and every string in use is there."""

import inspect
import json
import re

import pytest

from studio import recipe
from studio.engine import offers
from studio.errors import StudioError
from studio.recipe import Guidance, Request
from studio.ui import theme, words

EN, ZH = words.catalogue("en"), words.catalogue("zh-CN")
HOLE = re.compile(r"\{(\w+)\}")


def test_both_languages_have_the_same_keys():
    assert EN.keys() == ZH.keys()


def test_a_string_has_the_same_holes_in_both_languages():
    holes = {key: [sorted(HOLE.findall(words[key])) for words in (EN, ZH)] for key in EN}
    assert {key: (en, zh) for key, (en, zh) in holes.items() if en != zh} == {}


def test_every_key_that_the_page_script_names_is_in_the_catalogue():
    scripts = "".join(p.read_text() for p in sorted((theme.STATIC / "js").glob("*.js")))
    markup = "".join(p.read_text() for p in sorted(theme.STATIC.glob("*.html")))
    named = set(re.findall(r'say\("(\w+)"', scripts))
    named |= set(re.findall(r'data-(?:word|title)="(\w+)"', markup))
    assert named and named <= EN.keys()


def test_a_word_that_is_in_no_catalogue_is_an_error():
    with pytest.raises(KeyError):
        words.word("no_such_word")


BAD = [
    dict(seed=-1),
    dict(seed=1.5),
    dict(steps=0),
    dict(steps=1001),
    dict(count=17),
    dict(width=100),
    dict(width=4096),
    dict(eta=2.0),
    dict(prompt="x" * 2001),
    dict(guidance=Guidance(scale=51.0)),
    dict(guidance=Guidance(scale=float("nan"))),
    dict(guidance=Guidance(rescale=-0.5)),
    dict(guidance=Guidance(interval=(0.8, 0.2))),
    dict(width=2048, height=2048, steps=1000),
]


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_a_sentence_of_the_recipe_is_recognised(fields):
    with pytest.raises(StudioError) as raised:
        Request("icons", **fields)
    message = words.from_sentence(str(raised.value))
    assert message["key"]
    assert filled(EN, message) == str(raised.value)


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_a_sentence_of_the_recipe_is_said_in_chinese(fields):
    with pytest.raises(StudioError) as raised:
        Request("icons", **fields)
    said = filled(ZH, words.from_sentence(str(raised.value)))
    assert re.search("[一-鿿]", said)
    assert not re.search(r"\b(must|between|whole|number)\b", said)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version":9}', '{"version":1,"model":"m","colour":1}', '{"version":1,"steps":0}',
     '{"version":1,"model":"m","steps":0}'],
)  # fmt: skip
def test_a_sentence_about_a_recipe_that_does_not_parse_is_recognised(text):
    with pytest.raises(StudioError) as raised:
        Request.from_json(text)
    message = words.from_sentence(str(raised.value))
    assert filled(EN, message) == str(raised.value)


def test_the_recipe_names_no_field_that_the_catalogue_does_not():
    source = inspect.getsource(recipe)
    names = set(re.findall(r'_(?:whole|number)\("([^"]+)"', source))
    assert names <= words._NAMES.keys()


def test_readers_of_either_chinese_get_the_chinese_page():
    offered = words.translations().translations_dict
    assert offered["zh-CN"] == offered["zh-TW"]
    assert offered["zh-CN"]["generate"] == ZH["generate"]


def test_an_unknown_sentence_is_shown_as_it_is():
    message = words.from_sentence("Something nobody foresaw.")
    assert (message["key"], message["text"]) == ("", "Something nobody foresaw.")


def filled(catalogue: dict, message: dict) -> str:
    """The words that the page's script would show."""
    if not message["key"]:
        return message.get("text", "")

    def value(hole: re.Match) -> str:
        given = message["arguments"][hole[1]]
        return filled(catalogue, given) if isinstance(given, dict) else str(given)

    return HOLE.sub(value, catalogue[message["key"]])


def test_what_the_engine_says_of_its_choices_checkpoints_and_controls_has_its_chinese():
    phrases = json.loads((words._FOLDER / "engine.zh-CN.json").read_text(encoding="utf-8"))
    folders = sorted((theme.STATIC.parents[2] / "models").glob("*/studio.json"))
    told = [json.loads(path.read_text()) for path in folders]
    said = {checkpoint["knows"] for checkpoint in told if "control" not in checkpoint}
    said |= {control["title"] for control in told if "control" in control}
    offered = offers.choices()
    said |= {choice.hint for choice in (*offered.samplers, *offered.spacings)} - {""}
    assert len(folders) >= 2 and said <= phrases.keys()
