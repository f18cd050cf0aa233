import pytest

from studio.checkpoints.catalog import scan
from studio.contract import Guidance, Request
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import SPACINGS
from studio.engine import offers
from studio.errors import BadRequest, OverBudget


@pytest.fixture(scope="module")
def catalog(models):
    return scan(models)


def test_every_sampler_and_spacing_there_is_can_be_chosen():
    choices = offers.choices()
    assert [c.id for c in choices.samplers] == list(SAMPLERS)
    assert [c.id for c in choices.spacings] == list(SPACINGS)
    assert all(c.label and c.hint for c in choices.samplers + choices.spacings)


def test_what_a_choice_costs_is_the_registrys():
    heun = next(c for c in offers.choices().samplers if c.id == "heun")
    ddim = next(c for c in offers.choices().samplers if c.id == "ddim")
    assert heun.evaluations == 2 and ddim.uses_eta and not heun.uses_eta


def test_size_zero_becomes_the_checkpoints_own(catalog):
    resolved = offers.resolve(Request("random"), catalog)
    assert (resolved.width, resolved.height) == (64, 64)
    assert offers.resolve(Request("random", width=96), catalog).height == 64


def test_a_checkpoints_defaults_are_requests(catalog):
    info = offers.info(catalog["shapes"])
    assert info.defaults == Request("shapes", steps=8, guidance=Guidance(scale=1.0))
    assert info.latent == (3, 32, 32) and not info.trained


def test_defaults_that_cannot_be_run_are_left_out(catalog):
    from dataclasses import replace

    entry = replace(catalog["shapes"], defaults={"steps": 10**9})
    assert offers.info(entry).defaults == Request("shapes")


def test_a_prompt_that_no_request_could_carry_is_refused():
    with pytest.raises(BadRequest):
        offers.check_prompt("a" * 3000)


def test_a_picture_far_larger_than_the_checkpoints_own_is_refused(catalog):
    assert offers.resolve(Request("random", width=256, height=256), catalog).width == 256
    with pytest.raises(BadRequest, match="64×64; 256×264 is more than 16 times"):
        offers.resolve(Request("random", width=256, height=264), catalog)


def test_a_sampler_that_asks_twice_a_step_counts_twice(catalog):
    most = Request("random", width=256, height=256, steps=400, count=8)
    assert offers.resolve(most, catalog) == most
    with pytest.raises(OverBudget, match="2\\.0 times"):
        offers.resolve(most.with_(sampler="heun"), catalog)
