import pytest

from studio.errors import BadRequest
from studio.framing import Framing, read
from studio.recipe import Request


def test_a_framing_survives_its_json():
    said = Framing(original=(512, 768), crop=(0, 64), target=(1024, 1024), score=7.5)
    asked = Request(model="m", framing=said, refiner="r", handover=0.6)
    assert Request.from_json(asked.to_json()) == asked


def test_a_recipe_without_one_has_the_pictures_own():
    assert Request.from_json('{"version":1,"model":"m"}').framing == Framing()


@pytest.mark.parametrize(
    "said",
    [
        {"original": (512,)},
        {"original": (512, 0)},
        {"original": 512},
        {"original": "ab"},
        {"crop": (-1, 0)},
        {"crop": (0.5, 0)},
        {"target": (1, 9000)},
        {"score": 11},
        {"negative_score": None},
        {"colour": 1},
    ],
)
def test_what_makes_no_sense_is_refused(said):
    with pytest.raises(BadRequest):
        read(said)


@pytest.mark.parametrize("fields", [{"refiner": 3}, {"handover": -0.1}, {"handover": True}])
def test_a_handover_that_makes_no_sense_is_refused(fields):
    with pytest.raises(BadRequest):
        Request(model="m", **fields)
