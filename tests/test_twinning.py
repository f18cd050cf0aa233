"""What the twin can be asked: ranges, and the product of particles and steps."""

from __future__ import annotations

import pytest

from studio.errors import BadRequest, OverBudget
from studio.twinning import Lane, Steering, TwinRace, check_rungs


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lane(path="sideways"),
        lambda: Lane(steps=0),
        lambda: Lane(steps=201),
        lambda: Lane(steps=2.5),
        lambda: Lane(eta=float("nan")),
        lambda: Steering("push"),
        lambda: Steering(label=-1),
        lambda: Steering(scale=21.0),
        lambda: TwinRace(()),
        lambda: TwinRace((Lane(),) * 13),
        lambda: TwinRace((Lane(),), particles=99),
        lambda: TwinRace((Lane(),), particles=None),
        lambda: TwinRace((Lane(),), seed=-1),
        lambda: check_rungs(()),
        lambda: check_rungs((0,)),
        lambda: check_rungs(tuple(range(1, 14))),
    ],
)
def test_what_is_out_of_range_gets_a_sentence(make):
    with pytest.raises(BadRequest, match=r"\.$"):
        make()


def test_the_product_is_bounded_where_each_factor_is_not():
    lanes = (Lane(steps=200),) * 12
    TwinRace(lanes, particles=800)
    with pytest.raises(OverBudget, match="5000 particles × 2400 steps"):
        TwinRace(lanes, particles=5000)


def test_a_ladder_is_climbed_upwards_and_once():
    assert check_rungs((40, 5, 10, 5)) == (5, 10, 40)
