"""Figures of pictures whose answers are known."""

import numpy as np
import pytest

from studio.evaluation import judging
from studio.evaluation.reals import Reals, reals
from studio.evaluation.spaces import Looks, plain
from studio.metrics import copies
from studio.metrics.frechet import distance

DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module")
def real(icons, tmp_path_factory) -> Reals:
    return reals(icons, Looks(), tmp_path_factory.mktemp("kept"))


def pictures(real: Reals, places) -> list[np.ndarray]:
    return [np.array(real.data.pixels[real.rows[place]]) for place in places]


def test_training_pictures_find_their_own_concepts_and_wrong_names_do_not(real):
    made, names = real.gallery.some(range(6)), real.concepts(real.rows[:6])
    right = judging.retrieval(made, names, real, names, 1)
    assert right.value == 1.0 and right.more["gallery"] == len(real.rows)
    wrong = judging.retrieval(made, ["nothing"] * 6, real, names, 1)
    assert wrong.value == 0.0 and wrong.more["chance"] == 0.0


def test_held_out_pictures_say_what_the_features_can(real):
    figure = judging.retrieval(real.gallery.some([0]), ["star"], real, [], 5)
    assert figure.more["held_out"]["n"] == len(real.held)
    assert figure.more["held_out_taught"] == {"value": None, "n": 0}


def test_a_training_picture_with_a_little_noise_is_a_copy_and_other_pictures_are_not(real):
    places = list(range(8))
    own = pictures(real, places)
    noisy = [(p + DRAW.normal(0, 6, p.shape)).clip(0, 255).astype(np.uint8) for p in own]
    figure = judging.near_copies(noisy, real, places, noisy)
    assert figure.value == 1.0
    strange = [DRAW.integers(0, 256, p.shape, np.uint8) for p in own]
    assert judging.near_copies(strange, real, places, noisy).value == 0.0
    assert figure.more["copies_missed"] == figure.more["others_taken"] == 0.0
    assert figure.more["round_trips"]["median"] == pytest.approx(
        float(np.median(copies.apart(copies.small(noisy), copies.small(own)))), rel=1e-4
    )


def crowd(real: Reals, held: np.ndarray) -> Reals:
    """The same with a held-out crowd of these features."""
    known = plain(DRAW.standard_normal((len(real.rows), held.shape[1])))
    return Reals(real.data, real.rows, real.held, known, plain(held), real.small)


def test_the_distances_are_those_of_the_features_beside_their_floor_and_their_bias(real):
    made, held = DRAW.standard_normal((90, 3)) + 1, DRAW.standard_normal((80, 3))
    names = list(real.data.concepts)
    frechet, kid = judging.distances(plain(made), crowd(real, held), names, 0)
    assert frechet.value == pytest.approx(distance(made, held), rel=1e-5)
    assert frechet.low < 3 + distance(made - 1, held) < frechet.high
    assert frechet.more["infinite"] < frechet.value
    assert frechet.more["floor"]["value"] < frechet.value
    assert kid.low < kid.value < kid.high and kid.more["floor"]["value"] < kid.low


def test_of_a_few_pictures_there_is_no_distance(real):
    few, _ = judging.distances(plain(DRAW.standard_normal((5, 3))), real, [], 0)
    assert few.value is None and "fewer than 30" in few.why


def test_a_colour_is_obeyed_where_most_of_the_thing_has_it():
    red, blue = (np.full((20, 20, 3), c, np.uint8) for c in ((220, 30, 30), (30, 90, 220)))
    figure = judging.colours([blue, red], [red, red], ["blue", "blue"], ["star", "pizza"])
    assert figure.value == 0.5 and figure.more["without_the_word"] == 0.0
    assert figure.more["mean_share"] == [0.0, 0.5]


def test_an_autoencoder_that_adds_a_constant_has_the_decibels_of_it():
    grey = [np.full((16, 16, 3), level, np.uint8) for level in (90, 120, 150)]
    psnr, ssim = judging.autoencoder(lambda p: p + np.uint8(5), grey)
    assert psnr.value == pytest.approx(20 * np.log10(255 / 5))
    assert psnr.n == 3 and 0.99 < ssim.value < 1.0
