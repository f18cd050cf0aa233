"""A prompt's tokens and weights on tiny encoders of the real classes, against formulas by hand."""

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from studio.checkpoints.text import TextEncoder
from studio.checkpoints.weighting import lay, lay_pieces, weigh
from studio.errors import BadRequest
from tests.checkpoints import small

LONG = "a b c d e f g h i j k l m n o p"  # sixteen tokens; ten fit into one reading


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return TextEncoder.of(small.clip_tokenizer(), small.clip(projection=False), "cpu", "tiny")


@pytest.fixture(scope="module")
def both():
    torch.manual_seed(1)
    return TextEncoder.of(small.clip_tokenizer(), small.clip(projection=True), "cpu", "tiny")


def pipelines(encoder, text):
    """As diffusers' own pipeline encodes it: padded to the length and cut off there."""
    tokens = encoder.tokenizer(
        text, padding="max_length", max_length=12, truncation=True, return_tensors="pt"
    )
    return encoder.model(tokens.input_ids)[0][0]


@pytest.mark.parametrize("text", ["", "a b c", "  a   b", LONG])
def test_without_syntax_it_is_what_the_pipeline_gives(encoder, text):
    assert torch.equal(encoder.hidden(text), pipelines(encoder, text))


def test_a_weight_moves_a_tokens_state_from_the_empty_prompts(encoder):
    said, empty = pipelines(encoder, "a b c"), pipelines(encoder, "")
    weights = torch.ones(12, 1)
    weights[2], weights[3] = 1.5, 0.25  # the mark comes first, then a, b, c
    expected = empty + weights * (said - empty)
    assert torch.allclose(encoder.hidden("a (b:1.5) (c:0.25)"), expected, atol=1e-6)


def test_the_weight_zero_leaves_the_empty_prompts_state():
    states, empty = torch.randn(3, 4), torch.randn(3, 4)
    out = weigh(states, empty, torch.tensor([1.0, 0.0, 2.0]))
    assert torch.allclose(out[0], states[0]) and torch.equal(out[1], empty[1])
    assert torch.allclose(out[2] - states[2], states[2] - empty[2], atol=1e-6)


def test_equal_weights_everywhere_keep_the_marks_as_they_are(encoder):
    plain, heavy = encoder.hidden("a b"), encoder.hidden("(a b:2)")
    changed = [not torch.equal(x, y) for x, y in zip(plain, heavy, strict=True)]
    assert changed == [False, True, True] + [False] * 9


def test_a_long_prompt_is_read_in_pieces(encoder):
    assert encoder.pieces(LONG) == 2
    expected = [pipelines(encoder, LONG[:19]), pipelines(encoder, LONG[20:])]
    assert torch.equal(encoder.hidden(LONG, 2), torch.cat(expected))


def test_break_begins_a_piece_and_missing_ones_are_empty(encoder):
    assert encoder.pieces("a BREAK b c") == 2
    texts = ["a", "b c", "", ""]
    expected = torch.cat([pipelines(encoder, text) for text in texts])
    assert torch.equal(encoder.hidden("a BREAK b c", 4), expected)


def test_weights_hold_in_every_piece(encoder):
    laid = lay_pieces(encoder.tokenizer, f"{LONG} (q:3)", 12, 2)
    assert laid[0].weights.tolist() == [1] * 12
    assert laid[1].weights.tolist() == [1] * 7 + [3] + [1] * 4
    assert laid[1].mask.tolist() == [1] * 9 + [0] * 3


def test_of_two_encoders_states_the_pooled_one_is_the_first_pieces(both):
    states, pooled = both.penultimate(LONG, 2)
    first, expected = both.penultimate(LONG[:19])
    assert states.shape == (24, 8) and torch.equal(states[:12], first)
    assert torch.equal(pooled, expected)


def test_weights_move_the_state_before_the_last_too(both):
    said, empty = both.penultimate("a b")[0], both.penultimate("")[0]
    heavy, pooled = both.penultimate("a (b:2)")
    assert torch.allclose(heavy[2], 2 * said[2] - empty[2], atol=1e-6)
    assert torch.equal(pooled, both.penultimate("a b")[1])


def test_too_many_pieces_are_refused_in_words(encoder):
    with pytest.raises(BadRequest, match="17 readings of 10 tokens"):
        encoder.pieces("a BREAK " * 17)


def test_tokens_are_counted_without_the_marks(encoder):
    said = encoder.tokens("a (b:1.5) BREAK c")
    assert (said.count, said.room, said.pieces, said.unread) == (3, 10, 2, 0)
    said = encoder.tokens("a BREAK " * 17)
    assert said.pieces == 16 and said.unread >= 1


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "ap", "##ple", "(", ")", "hat"]
    (folder / "vocab.txt").write_text("\n".join(words))
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=8,
    )  # fmt: skip
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=8)
    return TextEncoder.of(tokenizer, BertModel(config, add_pooling_layer=False), "cpu", "words")


def test_an_encoder_of_one_reading_says_what_it_does_not_read(bert):
    long = "red apple " * 5
    assert (bert.pieces(long), bert.hidden(long).shape) == (1, (8, 8))
    assert (bert.tokens(long).count, bert.unread(long)) == (15, 9)


def test_every_part_of_a_word_bears_its_weight(bert):
    laid = lay(bert.tokenizer, "red (apple:1.4) hat", 8)
    assert [round(w, 2) for w in laid.weights.tolist()] == [1, 1, 1.4, 1.4, 1, 1, 1, 1]


def test_escaped_brackets_are_letters(bert):
    ids = lay(bert.tokenizer, r"\(red\)", 8).ids.tolist()
    assert ids[1:4] == bert.tokenizer("(red)", add_special_tokens=False).input_ids
