import pytest

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked
from studio.engine import residents as module
from studio.engine.residents import Residents
from studio.errors import BadCheckpoint, NotFound, OutOfMemory
from studio.settings import Settings


def quiet(doing, share):
    pass


@pytest.fixture
def residents(models):
    return Residents(Settings(models=models), scan(models), "cpu")


def test_a_prompt_is_encoded_once(residents, monkeypatch):
    checkpoint = residents.get("shapes", quiet)
    encoded = []
    original = checkpoint.encode
    monkeypatch.setattr(
        checkpoint, "encode", lambda row: encoded.append(row.text) or original(row), raising=False
    )
    first = residents.condition(checkpoint, Asked("red disc"))
    residents.condition(checkpoint, Asked())
    assert residents.condition(checkpoint, Asked("red disc")) is first
    assert encoded == ["red disc", ""]


def test_what_a_checkpoint_needs_of_others_is_handed_to_it(residents):
    assert "shapes" not in residents
    residents.get("shapes", quiet)
    assert residents.ids() == ("shapes",) and residents.seconds("shapes") > 0


def test_a_checkpoint_that_goes_takes_its_prompts_and_painter_along(models):
    residents = Residents(Settings(models=models, cache_bytes=1), scan(models), "cpu")
    shapes = residents.get("shapes", quiet)
    residents.condition(shapes, Asked("red disc"))
    residents.get("random", quiet)
    assert residents.ids() == ("random",)
    with pytest.raises(KeyError):
        residents.painter("shapes")
    assert not [key for key in residents._prompts if key[0] == "shapes"]


def test_what_is_not_there_is_not_found(residents):
    with pytest.raises(NotFound):
        residents.get("nobody", quiet)


def test_conditions_carry_no_gradient(residents):
    condition = residents.condition(residents.get("random", quiet), Asked("red disc"))
    assert condition and not any(part.requires_grad for part in condition.values())


def test_a_checkpoint_that_does_not_load_is_read_once(residents, monkeypatch):
    tried = []

    def load(entry, *others):
        tried.append(entry.id)
        raise BadCheckpoint("It is damaged.")

    monkeypatch.setattr(module, "load", load)
    for _ in range(3):
        with pytest.raises(BadCheckpoint, match="damaged"):
            residents.get("random", quiet)
    assert tried == ["random"]


def test_what_a_run_holds_stays_although_the_budget_is_small(models):
    residents = Residents(Settings(models=models, cache_bytes=1), scan(models), "cpu")
    shapes = residents.get("shapes", quiet)
    residents.used = lambda: {"shapes"}
    residents.get("random", quiet)
    assert set(residents.ids()) == {"shapes", "random"}
    assert residents.get("shapes", quiet) is shapes and residents.painter("shapes")


def test_where_memory_is_not_given_back_the_lack_is_said_before_anything_is_read(
    residents, monkeypatch
):
    residents.get("shapes", quiet)
    lacking = residents.plan("random").weights // 2
    monkeypatch.setattr(residents._cache._held["shapes"], "bytes", 10**12)
    monkeypatch.setattr(module.machine, "room", lambda place: (lacking, 10**12))
    monkeypatch.setattr(module, "load", lambda *_: pytest.fail("it was read"))
    assert residents.plan("random").plan == "whole"
    with pytest.raises(OutOfMemory, match=r"only .* are free"):
        residents.get("random", quiet)
