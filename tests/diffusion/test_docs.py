"""The documents of the mathematics say what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from studio.diffusion.guidance import GUIDANCES
from studio.diffusion.samplers.registry import SAMPLERS

DOCS = Path(__file__).resolve().parents[2] / "docs"
METHODS = (DOCS / "methods.md").read_text(encoding="utf-8")
API = (DOCS / "api.md").read_text(encoding="utf-8")


def test_the_api_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == API, "run python docs/make_api.py"


def test_the_api_page_s_example_runs():
    names = {}
    exec(re.search(r"```python\n(.*?)```", API, re.S).group(1), names)
    assert names["points"].shape == (500, 2)
    assert bool(torch.isfinite(names["points"]).all())


@pytest.mark.parametrize("name", [*SAMPLERS, *(g for g in GUIDANCES if g != "none")])
def test_every_method_has_its_place(name):
    assert f"\n## {name}\n" in METHODS


def test_the_table_of_orders_names_every_deterministic_sampler():
    named = set(re.findall(r"^\| (\w+) \| (?:vp|flow) \|", METHODS, re.M))
    assert named == {name for name, s in SAMPLERS.items() if not s.stochastic}
