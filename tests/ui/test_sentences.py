"""Every sentence that the studio may say to a visitor has its template, and so its Chinese."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.ui import words

STUDIO = Path(words.__file__).parents[1]
# These speak to a terminal too: whoever installs an extra.
TERMINAL = ("extras/archives.py", "extras/convert.py", "extras/pickled.py")
SILENT = ("evaluation", "training", "cli")  # they speak to a terminal, in English
MODULES = [
    path.relative_to(STUDIO)
    for path in sorted(STUDIO.rglob("*.py"))
    if path.relative_to(STUDIO).parts[0] not in SILENT
    and path.name not in ("settings.py", "__main__.py")
    and path.relative_to(STUDIO).as_posix() not in TERMINAL
]
PHRASES = json.loads((Path(words.__file__).parent / "catalogue/engine.zh-CN.json").read_text())
RAISED = re.compile(r"^(StudioError|Bad\w+|OverBudget|NotFound|Busy|OutOfMemory|Failed)$")


def sentences(tree: ast.AST) -> Iterator[str]:
    """What errors are raised with, and any other string that reads like a sentence."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
             for part in ast.walk(node) if part is not node}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in docs or id(node) in parts:
            continue
        text = filled(node)
        if text and " " in text and re.match(r"[A-Z7].*\.$", text):
            yield text
        if isinstance(node, ast.Call) and RAISED.match(getattr(node.func, "id", "")):
            yield from filter(None, (filled(argument) for argument in node.args[:1]))


def filled(node: ast.AST) -> str:
    """The string of a literal, with a 7 wherever something is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{\w+\}", "7", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(filled(value) for value in node.values)
    return "7" if isinstance(node, ast.FormattedValue) else ""


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_sentence_of_a_module_can_be_said_in_both_languages(module):
    tree = ast.parse((STUDIO / module).read_text(encoding="utf-8"))
    unknown = [
        text
        for text in sentences(tree)
        if text not in PHRASES and not words.from_sentence(text)["key"]
    ]
    assert unknown == []


@pytest.mark.parametrize("key", [key for key in words.catalogue("en") if key[:4] in ("err_",)])
def test_an_error_is_said_in_chinese(key):
    assert re.search("[一-鿿]", words.catalogue("zh-CN")[key])
