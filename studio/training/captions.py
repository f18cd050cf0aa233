"""What a person might type for a picture: names, synonyms, telling keywords, with or without
article and style.

Every variant of a concept is listed once, with a weight; training draws among them. Pure functions,
one seed.
"""

import random
from dataclasses import dataclass

from studio.training.concepts import Concept, specific
from studio.training.dataset import IconData, Record

# How often each kind of phrase is drawn. Names lead: they are what examples and most prompts say.
NAME, SYNONYM, KEYWORD, EVERYDAY = 6.0, 2.0, 1.0, 3.0


@dataclass(frozen=True, slots=True)
class Phrase:
    """A way to call a concept and how often training uses it, relative to the concept's others."""

    text: str
    weight: float


def phrases(
    concept: Concept, keywords: tuple[str, ...], held: tuple[str, ...] = ()
) -> tuple[Phrase, ...]:
    """The concept's phrases without the held-out words; the name always stays."""
    found = [Phrase(concept.name, NAME)]
    synonyms = [s for s in concept.synonyms if s not in held and not _holds(s, held)]
    found += [Phrase(s, SYNONYM / len(synonyms)) for s in synonyms]
    loose = [k for k in keywords if k not in held and k not in synonyms and not _holds(k, held)]
    found += [Phrase(k, KEYWORD / len(loose)) for k in loose]
    return tuple(found)


def all_phrases(
    data: IconData, everyday: dict[str, tuple[str, ...]] | None = None
) -> dict[str, tuple[Phrase, ...]]:
    """Every concept's phrases; `everyday` adds common words that the lists lack."""
    telling, found = specific(data.concepts), {}
    for key, concept in data.concepts.items():
        held, common = data.held_synonyms.get(key, ()), (everyday or {}).get(key, ())
        added = tuple(Phrase(word, EVERYDAY / len(common)) for word in common)
        found[key] = phrases(concept, telling[key], held) + added
    return found


def dress(text: str, style: str, draw: random.Random) -> str:
    """A phrase as it might be typed: bare most of the time, else with an article, "icon" or the
    style's words.
    """
    if draw.random() < 0.2:
        text = article(text)
    roll = draw.random()
    if roll < 0.3:
        return f"{text} in {style} style"
    return f"{text} icon" if roll < 0.35 else text


def variants(
    record: Record, data: IconData, known: dict[str, tuple[Phrase, ...]], count: int, seed: int
) -> list[str]:
    """`count` captions for one picture, the bare name always among them; the same for the same
    seed.
    """
    draw = random.Random(f"{seed}/{record.set}/{record.concept}")
    choices = known[record.concept]
    drawn = draw.choices(choices, [p.weight for p in choices], k=count - 1)
    name = data.concepts[record.concept].name
    return [name, *(dress(phrase.text, data.style(record), draw) for phrase in drawn)]


def article(text: str) -> str:
    return f"{'an' if text[0] in 'aeio' else 'a'} {text}"


def _holds(text: str, held: tuple[str, ...]) -> bool:
    return any(word in text.split() for word in held)
