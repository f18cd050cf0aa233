import pytest
import torch

from studio.checkpoints.similar import Captions, overlap, ranked, words

NAMES = ("red apple", "green apple", "apple pie", "rocket")


def test_words_are_lower_case_singular_and_without_articles():
    assert words("A Red apple, and the PEARS!") == {"red", "apple", "pear"}


def test_overlap_is_dices_coefficient():
    assert overlap("red apple", NAMES).tolist() == pytest.approx([1, 0.5, 0.5, 0])


def test_overlap_with_nothing_in_common_is_zero():
    assert overlap("quantum field", NAMES).sum() == 0
    assert overlap("", NAMES).sum() == 0


def test_ranked_names_each_name_once_best_first():
    scores = torch.tensor([0.2, 0.9, 0.9, 0.5])
    assert ranked(("a", "b", "b", "c"), scores, 2) == (
        ("b", pytest.approx(0.9)),
        ("c", pytest.approx(0.5)),
    )


def test_the_nearest_caption_has_the_largest_cosine():
    rows = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 1], [0, 1], [-1, 0]]), dim=1)
    found = Captions(NAMES, rows).nearest(torch.tensor([0.0, 1.0]), 2)
    assert found == (("apple pie", 1.0), ("green apple", pytest.approx(2**-0.5)))
