"""A WordPiece vocabulary cut down from the teacher's: every character stays, so that every word can
still be spelled.
"""

from collections.abc import Iterable

from transformers import BertTokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LENGTH = 32  # tokens, the two marks included: a prompt of about 25 words


def prune(vocabulary: dict[str, int], pieces_used: Iterable[str], size: int) -> list[str]:
    """The kept pieces in the teacher's own order (words by falling frequency), the special ones
    first.

    Kept: the special pieces, every single ASCII character (at a word's start and inside), every
    piece that the corpus uses, and then the teacher's most frequent whole words until there are
    `size`.
    """
    ordered = sorted(vocabulary, key=vocabulary.get)
    kept = set(SPECIAL) | set(pieces_used)
    kept |= {p for p in ordered if len(p.removeprefix("##")) == 1 and p.isascii()}
    for piece in ordered:
        if len(kept) >= size:
            break
        if piece.isascii() and piece.isalpha() and len(piece) > 1:
            kept.add(piece)
    return [*SPECIAL, *(p for p in ordered if p in kept and p not in SPECIAL)]


def tokenizer(pieces: list[str]) -> BertTokenizer:
    """The stock tokenizer over these pieces: lower case, at most LENGTH tokens."""
    return BertTokenizer(
        vocab={piece: i for i, piece in enumerate(pieces)},
        do_lower_case=True,
        model_max_length=LENGTH,
    )
