"""The help in the tabs: the sections of docs/methods.md, in both languages, set by the page."""

import re

import pytest

from studio.diffusion.samplers.registry import SAMPLERS
from studio.ui import help, words
from tests.ui import acts

EN, ZH = ((help.DOCS / name).read_text(encoding="utf-8") for name in help.FILES.values())
SHOWN = ("cfg", "spacings", "the_forward_process", "schedules", "inversion", "symbols")


def test_the_translation_has_the_same_headings():
    assert headings(EN) == headings(ZH)


def test_the_translation_has_the_same_equations():
    assert re.findall(r"\$\$.+?\$\$", EN, re.S) == re.findall(r"\$\$.+?\$\$", ZH, re.S)


@pytest.mark.parametrize("name", help.sections("en"))
def test_a_section_names_the_same_sources_and_symbols_in_both_languages(name):
    english, chinese = (help.sections(language)[name] for language in help.FILES)
    assert sorted(marks(english)) == sorted(marks(chinese))


@pytest.mark.parametrize("language", help.FILES)
@pytest.mark.parametrize("name", [*SAMPLERS, *SHOWN])
def test_what_a_tab_shows_has_a_section(language, name):
    assert help.sections(language)[name]


def test_a_section_ends_where_the_next_heading_begins():
    assert "Samplers with chance" not in help.sections("en")["plms"]


def test_without_the_files_there_is_no_help(tmp_path):
    assert help.sections("en", tmp_path) == {}


def test_the_page_is_told_every_section_with_the_symbols_under_it():
    said = words.translations(help.pages()).translations_dict["zh-CN"]["methods_ddim"]
    assert said.startswith("先相信网络的回答，再")
    assert said.endswith("（$h_-$ 是前一步的）。")


def test_a_section_without_symbols_explains_none():
    assert "---" not in help.pages()["en"]["methods_spacings"]


def test_equations_that_stand_in_a_row_come_one_below_the_other():
    said = help.pages()["en"]["methods_predictions"]
    assert re.findall(r"^\$\$(\S+) .*\$\$$", said, re.M) == ["v", "u", r"\nabla\ln"]


def test_a_line_of_chinese_ends_without_a_blank():
    assert not re.search("[一-鿿，。]\n[^\n]", help.pages()["zh-CN"]["methods_ddim"])


@pytest.mark.ui
def test_the_fold_follows_the_sampler_and_its_equations_are_set(tab):
    page = tab()
    acts.fold_out(page, "help_sampler")
    page.wait_for_selector("#help_sampler_text .katex-display")
    first = page.inner_text("#help_sampler_text")
    page.fill("#prompt textarea", "a typed prompt")
    other = page.query_selector("#sampler label:not(.selected) input").get_attribute("value")
    page.check(f"#sampler input[value='{other}']")
    page.wait_for_function(
        "before => document.querySelector('#help_sampler_text').innerText !== before", arg=first
    )
    page.wait_for_selector("#help_sampler_text .katex")
    assert page.input_value("#prompt textarea") == "a typed prompt"
    assert not page.query_selector("#help_sampler_text .katex-error")
    assert "$" not in page.inner_text("#help_sampler_text")
    assert page.noticed.errors == []
    assert len(page.noticed.hosts) == 1


@pytest.mark.ui
def test_a_chinese_page_explains_in_chinese(tab):
    page = tab(locale="zh-CN")
    acts.fold_out(page, "help_sampler")
    page.wait_for_selector("#help_sampler_text .katex")
    assert re.search("[一-鿿]{4}", page.inner_text("#help_sampler_text"))


def headings(text: str) -> list[tuple[str, str]]:
    found = re.findall(r"^(#+) (.+)$", text, re.MULTILINE)[1:]  # the title aside
    return [(level, help.named(title)) for level, title in found]


def marks(text: str) -> list[str]:
    """Inline equations, and what a source is cited by: names with a year, code."""
    return re.findall(r"(?<!\$)\$[^$]+\$(?!\$)|`[^`]+`|\b(?:1[89]|20)\d\d\b|alg\. \d|eq\. \d", text)
