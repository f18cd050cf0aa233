"""CLIP's tokenizer, for checkpoints that bring none: built from its merges.

The vocabulary is OpenAI's by construction: 256 bytes as printable letters, the same at a word's
end, every merge in order, and two marks.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

MERGES = Path(__file__).parent / "configs" / "clip-merges.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77  # tokens of a prompt, the two marks included


def clip_tokenizer(pad: str = END, length: int = LENGTH) -> Any:
    """A CLIPTokenizer of 49,408 words that pads with `pad`."""
    from transformers import CLIPTokenizer

    lines = gzip.decompress(MERGES.read_bytes()).decode("utf-8").splitlines()
    merges = [tuple(line.split()) for line in lines]
    letters = _letters()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    vocab = {piece: k for k, piece in enumerate([*pieces, START, END])}
    return CLIPTokenizer(
        vocab=vocab,
        merges=merges,
        bos_token=START,
        eos_token=END,
        unk_token=END,
        pad_token=pad,
        model_max_length=length,
    )


def _letters() -> list[str]:
    """A printable letter for each byte, in the order in which the vocabulary counts them."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    plain += range(ord("®"), ord("ÿ") + 1)
    rest = 256 - len(plain)
    return [chr(b) for b in plain] + [chr(256 + k) for k in range(rest)]
