"""The arithmetic of what fits: weights from headers, work from widths, and what is said of it."""

import pytest

from studio.checkpoints import budget
from studio.checkpoints.budget import Need
from studio.checkpoints.catalog import scan
from studio.checkpoints.describe import parts
from studio.checkpoints.place import HALF, Place
from studio.ui import words

NEED = Need(weights=1000, largest=600, activations=100)
CUDA = Place("cuda", "float16", offload="auto")


@pytest.mark.parametrize(
    ("free", "way"),
    [(1200, "whole"), (1100, "model offload"), (740, "model offload"), (700, "sequential offload"),
     (106, "sequential offload"), (100, "none")],
)  # fmt: skip
def test_the_most_that_fits_is_taken(free, way):
    assert budget.plan(NEED, free, CUDA) == way


def test_a_cpu_has_nowhere_to_put_what_does_not_fit():
    assert budget.plan(NEED, 700, Place("cpu", offload="auto")) == "none"


@pytest.mark.parametrize(
    ("asked", "way"), [("none", "none"), ("model", "model offload"), ("sequential", "none")]
)
def test_what_was_asked_for_is_not_second_guessed(asked, way):
    free = 800 if asked != "sequential" else 90
    assert budget.plan(NEED, free, CUDA.with_(offload=asked)) == way


def test_weights_are_counted_by_part_and_dtype(models):
    entry = scan(models)["random"]
    sizes = {part.name: part.parameters for part in parts(entry)}
    full = budget.need(entry, Place("cpu"))
    half = budget.need(entry, Place("cpu", "bfloat16"))
    assert full.weights == 4 * sum(sizes.values())
    kept = sizes["vae"] + sizes["preview"]
    assert half.weights == 4 * kept + 2 * (sum(sizes.values()) - kept)
    eighth = budget.need(entry, Place("cuda", "bfloat16", quantise="int8"))
    assert eighth.weights == half.weights - sizes["unet"]


def test_a_small_checkpoint_stays_in_float32_unless_it_is_asked(models):
    entry = scan(models)["random"]
    assert entry.bytes < HALF
    assert budget.place_for(entry, Place("cuda", "float16"), auto=True).dtype == "float32"
    assert budget.place_for(entry, Place("cuda", "float16"), auto=False).dtype == "float16"


@pytest.mark.parametrize("way", ["whole", "model offload", "sequential offload", "none"])
def test_the_arithmetic_is_a_sentence_in_both_languages(models, way):
    said = budget.sentence(scan(models)["random"], NEED, 700, CUDA, way)
    assert words.from_sentence(said)["key"].startswith("err_fit")


def test_those_used_longest_ago_leave_until_there_is_room():
    assert budget.leaving([("a", 10), ("b", 20), ("c", 30)], 25) == ("a", "b")
    assert budget.leaving([("a", 10)], 0) == ()
