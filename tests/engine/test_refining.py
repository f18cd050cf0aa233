"""A run whose last steps are another checkpoint's, through the loop that owns the device."""

import numpy as np
import pytest

from studio.checkpoints.catalog import scan
from studio.contract import Cancelled, Failed, Finished, Guidance, Loading, Request, Step, View
from studio.engine import batcher, offers
from studio.engine.ticket import Ticket
from studio.engine.worker import Worker
from studio.errors import BadRequest, NotFound
from studio.settings import Settings
from tests.checkpoints.driving import Studio
from tests.checkpoints.small_sd import sdxl_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    models = tmp_path_factory.mktemp("refining")
    sdxl_folder(models / "base")
    sdxl_folder(models / "refiner", refiner=True)
    return models


def worker(folder, **settings):
    return Worker(Settings(models=folder, threads=1, **settings), scan(folder))


def recipe(**changes):
    usual = {"prompt": "red disc", "steps": 6, "sampler": "euler", "spacing": "leading"}
    return Request("base", **usual | {"refiner": "refiner", "handover": 0.5} | changes)


def ticket(worker, wants="both", **changes):
    asked = offers.resolve(recipe(**changes), worker.residents.catalog)
    made = Ticket(asked, View(preview="off"), wants=wants)
    worker.admit(made)
    return made


def work_off(worker):
    while worker.busy:
        worker.turn()


def events(made):
    return list(made.stream.read(timeout=0))


@pytest.mark.parametrize("budget", [2**30, 1], ids=["both are held", "one is held at a time"])
def test_both_checkpoints_make_one_run(folder, budget):
    loop = worker(folder, cache_bytes=budget)
    made = ticket(loop)
    work_off(loop)
    told = events(made)
    assert isinstance(told[-1], Finished) and told[-1].request.refiner == "refiner"
    assert [e.index for e in told if isinstance(e, Step)] == list(range(6))
    assert [e.model for e in told if isinstance(e, Loading)][-1] == "refiner"
    assert told[-1].steps_recorded == 6
    (alone,) = Studio(folder).states(recipe())
    assert np.abs(made.state - alone.numpy()).max() < 1e-4 * np.abs(made.state).max()


def test_runs_meet_in_both_stages(folder, monkeypatch):
    loop, met = worker(folder), {"base": 0, "refiner": 0}
    ask = batcher.ask

    def counted(group, limit):
        id = group[0].checkpoint.entry.id
        met[id] = max(met[id], len(group))
        return ask(group, limit)

    monkeypatch.setattr(batcher, "ask", counted)
    made = [ticket(loop, seed=seed, steps=12) for seed in range(2)]
    work_off(loop)
    assert met == {"base": 2, "refiner": 2}
    assert all(isinstance(events(each)[-1], Finished) for each in made)


def test_a_run_between_its_stages_can_be_stopped(folder):
    loop = worker(folder)
    made = ticket(loop)
    while not made.refining:
        loop.turn()
    made.cancelled = True
    work_off(loop)
    last = events(made)[-1]
    assert isinstance(last, Cancelled) and last.steps_recorded == 2
    assert loop.between == {} and "refiner" not in loop.residents


def test_a_refiner_that_does_not_load_ends_this_run_alone(folder, monkeypatch):
    from studio.errors import BadCheckpoint

    loop = worker(folder)
    made, other = ticket(loop), ticket(loop, refiner="", seed=1)
    get = loop.residents.get

    def damaged(id, progress):
        if id == "refiner":
            raise BadCheckpoint("It is damaged.")
        return get(id, progress)

    monkeypatch.setattr(loop.residents, "get", damaged)
    work_off(loop)
    assert isinstance(events(made)[-1], Failed) and events(made)[-1].message == "It is damaged."
    assert isinstance(events(other)[-1], Finished) and loop.between == {}


def test_finishing_early_goes_through_the_refiner_too(folder):
    loop = worker(folder)
    made = ticket(loop, count=3, seed=5)
    while not made.refining:
        loop.turn()
    made.finishing = True
    work_off(loop)
    last = events(made)[-1]
    assert len(last.pictures) == 1 and last.stopped_early
    (whole,) = Studio(folder).states(recipe(seed=5))
    assert np.abs(made.state - whole.numpy()).max() < 1e-4 * np.abs(made.state).max()


@pytest.mark.parametrize("handover", [0.0, 1.0])
def test_the_ends_of_the_range_run(folder, handover):
    loop = worker(folder)
    made = ticket(loop, handover=handover, guidance=Guidance("none"))
    work_off(loop)
    assert isinstance(events(made)[-1], Finished)
    assert made.refining == (handover == 0.0)


def test_a_refiner_that_is_not_there_is_said_at_once(folder):
    with pytest.raises(NotFound):
        offers.resolve(recipe(refiner="nobody"), scan(folder))


def test_a_checkpoint_of_other_states_cannot_refine(folder, models):
    catalog = scan(folder)
    catalog.entries |= scan(models).entries
    with pytest.raises(BadRequest, match="states of another kind"):
        offers.resolve(recipe(refiner="shapes"), catalog)


def test_the_face_is_told_which_checkpoints_read_sizes_and_which_refine(folder):
    infos = {id: offers.info(entry) for id, entry in scan(folder).entries.items()}
    assert infos["base"].framed and not infos["base"].refines
    assert infos["refiner"].refines
