"""SentencePiece's file, written here field by field, read without its library."""

import struct

import pytest
import transformers

from studio.checkpoints import spiece
from studio.checkpoints.text_t5 import tokenizer
from studio.errors import BadCheckpoint
from tests.checkpoints import small


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    """A message's field: text or bytes with a length, a float in four bytes, or a whole number."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(pieces, charsmap=b""):
    """A ModelProto: pieces with kinds, a trainer's words, a normaliser with its table."""
    made = b"".join(
        field(1, field(1, text) + field(2, score) + field(3, 1 + (k < 3)))
        for k, (text, score) in enumerate(pieces)
    )
    trainer = field(2, field(1, "a" * 300) + field(3, 1) + field(4, len(pieces)))
    return made + trainer + field(3, field(1, "nmt_nfkc") + field(2, charsmap))


PIECES = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.5), ("▁red", -3.0), ("é", -4.5)]


def test_pieces_scores_and_the_table_are_read(tmp_path):
    (tmp_path / "spiece.model").write_bytes(model(PIECES, b"\1\2\3"))
    assert spiece.read(tmp_path / "spiece.model") == (PIECES, b"\1\2\3")


def test_the_tokenizer_made_of_it_is_the_one_saved_as_json(tmp_path):
    made = small.t5_tokenizer()
    made.save_pretrained(tmp_path)
    both = [tokenizer(tmp_path, transformers)]
    scores = {text: score for text, score in made._vocab_scores}
    (tmp_path / "spiece.model").write_bytes(model(list(scores.items())))
    (tmp_path / "tokenizer.json").unlink()
    both.append(tokenizer(tmp_path, transformers))
    texts = ("red disc", "A blue   bar and zebra", "")
    first, second = ([made(text).input_ids for text in texts] for made in both)
    assert first == second


@pytest.mark.parametrize(
    "data",
    [
        b"",
        model(PIECES)[:-5],
        model(PIECES[:2]),
        b"\x0a\xff\xff\xff\xff\x0f",  # a field of 4 GiB
        b"\x80" * 40,  # a number without end
        b"\x0b",  # a wire type that is no longer used
        field(1, field(2, 1.0)),  # a piece without a text
        field(1, field(1, b"\xff\xfe") + field(2, 1.0)) * 3,
    ],
)
def test_a_damaged_file_is_refused(tmp_path, data):
    (tmp_path / "spiece.model").write_bytes(data)
    with pytest.raises(BadCheckpoint, match="not a sound vocabulary"):
        spiece.read(tmp_path / "spiece.model")
