"""Who is evaluated: a checkpoint, what it was taught, and the requests that it is asked.

Prompts are drawn by a seed; the same seed asks every checkpoint the same.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace

import numpy as np

from studio.checkpoints.entry import Entry
from studio.metrics.hues import HUES, share
from studio.recipe import Request
from studio.training import subset
from studio.training.captions import all_phrases
from studio.training.dataset import IconData
from studio.training.wellknown import everyday

CONCEPTS, STYLES = 200, 3  # as many prompts, each in so many styles
THINGS = ("banana", "strawberry", "carrot", "frog", "automobile", "rose", "pizza", "fish",
          "sun-with-face", "pig-face", "octopus", "cactus", "teddy-bear", "bell", "tree",
          "hamburger", "pumpkin", "sunflower", "cat-face", "dog-face")  # fmt: skip
OWN = 0.1  # of a thing's real pictures' coloured pixels: a colour that has more is its own


@dataclass(frozen=True, slots=True)
class Subject:
    """`taught` are concepts in Unicode's order; `labels` their classes, where it knows classes;
    `request` says how pictures are drawn, all but prompt and seed.
    """

    entry: Entry
    taught: tuple[str, ...]
    labels: dict[str, int]
    request: Request
    seed: int = 0

    @property
    def by_class(self) -> bool:
        return self.entry.conditions == "class"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, the concept that it is for, and the word or colour that it says."""

    concept: str
    request: Request
    word: str = ""


def subject(entry: Entry, request: Request, data: IconData, seed: int) -> Subject:
    """What the checkpoint's folder says that it was taught; else what the shipped ones are."""
    slugs = {concept.name: slug for slug, concept in data.concepts.items()}
    said, labels = entry.folder / "concepts.json", {}
    if entry.conditions == "class":
        names = [name.split(",")[0].strip() for name in entry.classes]
        labels = {slugs[name]: k for k, name in enumerate(names) if name in slugs}
        taught = set(labels)
    elif said.is_file():
        taught = {slugs[name] for name in json.loads(said.read_text()) if name in slugs}
    else:
        taught = {data.records[row].concept for row in subset.choose(data)[0]}
    taught = taught or set(data.concepts)
    place = {slug: (concept.order, slug) for slug, concept in data.concepts.items()}
    return Subject(entry, tuple(sorted(taught, key=lambda s: place[s])), labels, request, seed)


def concepts(who: Subject, data: IconData, limit: int | None) -> list[Asked]:
    """Names of taught concepts in several styles; of classes, from several noises."""
    draw = random.Random(f"{who.seed}/concepts")
    chosen = draw.sample(who.taught, min(CONCEPTS, len(who.taught)))
    drawn = {record.set for record in data.records}
    styles = [data.licences[s]["style"] for s in subset.STYLES if s in drawn][:STYLES]
    asked = []
    for slug in chosen:
        name = data.concepts[slug].name
        for number in range(STYLES):
            style = styles[number % len(styles)]
            text = "" if who.by_class else f"{name} in {style} style"
            asked.append(_asked(who, slug, text, len(asked)))
    return asked[:limit]


def synonyms(who: Subject, data: IconData, limit: int | None) -> list[Asked]:
    """Words of taught concepts that no training caption holds, each from several noises."""
    if who.by_class:
        return []
    words = [(slug, word) for slug in who.taught for word in data.held_synonyms.get(slug, ())]
    asked = []
    for number in random.Random(f"{who.seed}/words").sample(range(len(words)), len(words)):
        slug, word = words[number]
        for place in range(10_000 + STYLES * number, 10_000 + STYLES * (number + 1)):
            asked.append(_asked(who, slug, word, place, word))
    return asked[:limit]


def colours(who: Subject, data: IconData, limit: int | None) -> list[Asked]:
    """ "a blue banana" and its like: things in colours that neither their real pictures have nor
    any training caption names.
    """
    if who.by_class:
        return []
    known, asked = all_phrases(data, everyday()), []
    for number, slug in enumerate(THINGS):  # a thing's noise is the same in every colour
        if slug not in who.taught:
            continue
        rows = [i for i, r in enumerate(data.records) if r.concept == slug and not r.held]
        real = [np.ascontiguousarray(data.pixels[row]) for row in rows]
        said = " ".join(phrase.text for phrase in known[slug]).split()
        for colour in HUES:
            own = float(np.mean([share(picture, colour) for picture in real]))
            if own <= OWN and colour not in said:
                text = f"a {colour} {data.concepts[slug].name.removesuffix(' face')}"
                asked.append(_asked(who, slug, text, 20_000 + number, colour))
    return asked[:limit]


def colourless(who: Subject, some: list[Asked], data: IconData) -> list[Asked]:
    """The same without the colour, from the same noise."""
    made = []
    for one in some:
        text = one.request.prompt.replace(f" {one.word} ", " ")
        made.append(replace(one, request=one.request.with_(prompt=text)))
    return made


def _asked(who: Subject, slug: str, text: str, place: int, word: str = "") -> Asked:
    """One request; its noise follows from the seed and its place."""
    seed = who.seed * 1_000_000 + place
    label = who.labels.get(slug)
    return Asked(slug, who.request.with_(prompt=text, label=label, seed=seed, count=1), word)
