"""Beside the prompt: tokens, styles, lists of words."""

from __future__ import annotations

import pytest

from studio.presets import styles, word_lists
from studio.ui import prompt_tools, words
from studio.ui.words import catalogue
from tests.ui import acts
from tests.ui.scripted import ScriptedEngine


@pytest.fixture(scope="module")
def engine():
    made = ScriptedEngine()
    yield made
    made.close()


def test_every_style_has_its_word_in_both_languages():
    for language in words.LANGUAGES:
        assert {f"style_{style.id}" for style in styles()} <= catalogue(language).keys()


def test_what_is_offered_says_which_style_is_worn():
    assert prompt_tools.offered("red apple")["worn"] == ""
    said = prompt_tools.offered(styles()[0].prompt.format(prompt="red apple"))
    assert said["worn"] == styles()[0].id
    assert said["lists"].keys() == word_lists().keys()


def test_tokens_are_counted_or_what_is_wrong_is_said(engine):
    said = prompt_tools.counted(engine, "icons-unet", "a (red:1.2) apple")
    assert (said["kind"], said["count"], said["unread"]) == ("tokens", 3, 0)
    assert prompt_tools.counted(engine, "exact-icons", "red")["kind"] == "none"
    assert prompt_tools.counted(engine, "icons-unet", "  ")["kind"] == "none"
    wrong = prompt_tools.counted(engine, "icons-unet", "(red:99)")
    assert wrong["message"]["key"] == "err_weight"


@pytest.mark.ui
def test_tokens_are_counted_while_one_types(tab):
    page = tab()
    page.fill("#prompt textarea", "one two (three:1.2)")
    page.wait_for_function(
        "document.querySelector('.prompt_tokens').textContent === '3 of 30 tokens'"
    )
    page.fill("#prompt textarea", "word " * 34)
    page.wait_for_selector(".prompt_tokens.warned")
    assert "the last 4 are not read" in page.inner_text(".prompt_tokens")
    page.fill("#prompt textarea", "(word:99)")
    page.wait_for_selector(".prompt_tokens[data-kind=problem]")
    assert "weighs more than 10" in page.inner_text(".prompt_tokens")


@pytest.mark.ui
def test_a_style_goes_on_with_a_click_and_off_with_another(tab):
    page = tab()
    acts.fold_out(page, "prompt_tools_more")
    page.fill("#prompt textarea", "a cat")
    page.wait_for_selector(".prompt_tokens:not([hidden])")
    page.click(".prompt_tools [data-style=photo]")
    style = next(style for style in styles() if style.id == "photo")
    acts.holds(page, "#prompt textarea", style.prompt.format(prompt="a cat"))
    page.wait_for_selector(".prompt_tools [data-style=photo][aria-pressed=true]")
    page.click(".prompt_tools [data-style=photo]")
    acts.holds(page, "#prompt textarea", "a cat")


@pytest.mark.ui
def test_a_list_of_words_is_put_into_the_prompt(tab):
    page = tab()
    acts.fold_out(page, "prompt_tools_more")
    page.fill("#prompt textarea", "a cat and")
    page.click(".prompt_tools .chip:has-text('__animal__')")
    acts.holds(page, "#prompt textarea", "a cat and __animal__")
