"""What the text encoder reads: captions, keywords, common words, made-up combinations."""

import random

from studio.training import captions
from studio.training.dataset import IconData

COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white",
    "grey", "golden"
)  # fmt: skip
QUALITIES = (
    "small", "big", "happy", "sad", "angry", "cute", "old", "new", "round", "shiny",
    "sleepy", "funny", "smiling", "flying"
)  # fmt: skip


def corpus(
    data: IconData, vocabulary: dict[str, int], common: int, phrases: int, seed: int
) -> list[str]:
    """Every text once, sorted: `common` of the teacher's whole words, `phrases` combinations.

    Held-out words are among them: the encoder never sees a picture.
    """
    draw = random.Random(seed)
    known = captions.all_phrases(data)
    texts = {""}
    for concept in data.concepts.values():
        texts.update((concept.name, *concept.synonyms, *concept.keywords))
    for record in data.records:
        texts.update(captions.variants(record, data, known, 3, seed))
    words = [
        w
        for w in sorted(vocabulary, key=vocabulary.get)
        if w.isascii() and w.isalpha() and len(w) > 2
    ]
    texts.update(words[:common])
    nouns = sorted(
        {c.name for c in data.concepts.values() if c.order < 9999 and len(c.name.split()) < 4}
    )
    plenty = words[: common // 3]
    while len(texts) < phrases + common and nouns:
        noun, other, word = draw.choice(nouns), draw.choice(nouns), draw.choice(plenty or nouns)
        shape = draw.choice(
            (
                f"a {draw.choice(COLOURS)} {noun}",
                f"{draw.choice(COLOURS)} {noun}",
                f"{noun} with {other}",
                f"a {draw.choice(QUALITIES)} {noun}",
                f"{noun} and {other}",
                f"{word} {noun}",
                f"{noun} on a {other}",
                f"{draw.choice(COLOURS)} {noun} on {draw.choice(COLOURS)} background",
                f"{word} {draw.choice(plenty or nouns)}",
            )
        )
        texts.add(shape)
    return sorted(texts)
