"""The text encoder's pieces: vocabulary, corpus, sentence embedding."""

import torch

from studio.training import captions, corpus, text, wordpieces


def test_a_pruned_vocabulary_keeps_letters_used_pieces_and_the_order():
    whole = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "a",
        "##b",
        "the",
        "rocket",
        "##ly",
        "zebra",
    ]
    vocabulary = {piece: i for i, piece in enumerate(whole)}
    kept = wordpieces.prune(vocabulary, {"zebra"}, 9)
    assert kept == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "the", "zebra"]


def test_a_word_that_was_pruned_is_spelled():
    letters = list("abct")
    tokens = wordpieces.tokenizer(
        [*wordpieces.SPECIAL, *letters, *(f"##{c}" for c in letters), "cat"]
    )
    assert tokens.tokenize("Cat tab") == ["cat", "t", "##a", "##b"]
    assert tokens.model_max_length == 32


def test_a_sentence_is_the_mean_of_its_tokens_without_padding():
    states = torch.tensor([[[2.0, 0.0], [0.0, 2.0], [9.0, -9.0]]])
    found = text.sentence(states, torch.tensor([[1, 1, 0]]))
    torch.testing.assert_close(found, torch.tensor([[2**-0.5, 2**-0.5]]))


def test_principal_directions_keep_the_cosines_of_data_that_lies_in_them():
    g = torch.Generator().manual_seed(0)
    flat = torch.randn(50, 4, generator=g) @ torch.randn(4, 16, generator=g)
    projection = text.principal([flat], 4)
    a, b = (torch.nn.functional.normalize(x, dim=1) for x in (flat, flat @ projection))
    torch.testing.assert_close(a @ a.T, b @ b.T, atol=1e-4, rtol=1e-3)


def test_a_perfect_imitation_costs_nothing():
    states, mask = torch.randn(3, 5, 8), torch.ones(3, 5, dtype=torch.long)
    everywhere = torch.ones(3, dtype=torch.bool)
    assert text.imitation(states, mask, states, mask.bool(), everywhere).abs() < 1e-4


def test_the_corpus_is_the_same_for_the_same_seed_and_holds_every_name(icons):
    vocabulary = {word: i for i, word in enumerate(["the", "of", "rocket", "ship", "window"])}
    first = corpus.corpus(icons, vocabulary, 4, 60, 1)
    assert first == corpus.corpus(icons, vocabulary, 4, 60, 1) == sorted(set(first))
    assert {concept.name for concept in icons.concepts.values()} <= set(first)


def test_articles_fit_their_words():
    assert captions.article("apple") == "an apple"
    assert captions.article("unicorn") == "a unicorn"
