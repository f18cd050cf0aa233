"""What everybody knows: hand-made lists in `known.json`, by which the shipped models choose.

core: what the denoiser spends most of its time on. everyday: common words for several concepts at
once, or for one that the word lists call otherwise. favourites: shown in several styles. skip:
pieces of names of near twins and of things that few would ask for.
"""

import json
import re
from pathlib import Path

from studio.training.dataset import IconData


def _read() -> dict:
    return json.loads(Path(__file__).with_name("known.json").read_text())


def core() -> list[str]:
    return " ".join(_read()["core"]).split()


def favourites() -> list[str]:
    return " ".join(_read()["favourites"]).split()


def everyday() -> dict[str, tuple[str, ...]]:
    """Concept → the everyday words for it."""
    found: dict[str, list[str]] = {}
    for word, slugs in _read()["everyday"].items():
        for slug in slugs:
            found.setdefault(slug, []).append(word)
    return {slug: tuple(dict.fromkeys(words)) for slug, words in found.items()}


def drawn_often(data: IconData, styles: int, groups: tuple[str, ...]) -> list[str]:
    """Concepts of these groups that `styles` sets or more draw, in Unicode's order, less `skip`."""
    skip = re.compile("|".join(" ".join(_read()["skip"]).split()))
    drawn: dict[str, int] = {}
    for record in data.records:
        drawn[record.concept] = drawn.get(record.concept, 0) + 1
    ordered = sorted(data.concepts.values(), key=lambda concept: concept.order)
    known = (c.slug for c in ordered if c.group in groups and drawn.get(c.slug, 0) >= styles)
    return [slug for slug in known if not skip.search(slug)]
