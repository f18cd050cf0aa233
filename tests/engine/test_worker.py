"""The loop's order, turn by turn and without a thread."""

import pytest

from studio.checkpoints.catalog import scan
from studio.contract import Cancelled, Finished, Loading, Request, Step, View
from studio.engine import offers
from studio.engine.ticket import Ticket
from studio.engine.worker import Worker
from studio.settings import Settings


@pytest.fixture
def worker(models):
    return Worker(Settings(models=models, threads=1), scan(models))


def ticket(worker, model="shapes", **changes):
    asked = Request(model=model, prompt="red disc", **{"steps": 4} | changes)
    made = Ticket(offers.resolve(asked, worker.residents.catalog), View(preview="off"))
    worker.admit(made)
    return made


def work_off(worker):
    while worker.busy:
        worker.turn()


def kinds(made):
    return [type(event) for event in made.stream.read(timeout=0)]


def test_a_run_joins_the_forward_of_one_that_goes(worker):
    first = ticket(worker)
    worker.turn()
    worker.turn()
    second = ticket(worker, seed=1)
    work_off(worker)
    steps = [[e for e in t.stream.read() if isinstance(e, Step)] for t in (first, second)]
    assert [[s.shared_with for s in own] for own in steps] == [[0, 0, 1, 1], [1, 1, 0, 0]]


def test_a_newcomer_starts_level_with_the_least_served(worker):
    ticket(worker, steps=50)
    for _ in range(5):
        worker.turn()
    worker.running[0].ticket.served = 3.5
    assert ticket(worker, seed=1).served == 3.5
    assert ticket(worker, seed=2).served == 3.5


def test_runs_keep_the_device_while_loading_another_checkpoint_would_not_pay(worker):
    going = ticket(worker, steps=200)
    worker.turn()
    other = ticket(worker, "random")
    worker.residents._cache.seconds["random"] = 1000.0
    for _ in range(5):
        worker.turn()
    assert kinds(other) == [] and not going.over
    going.cancelled = True
    work_off(worker)
    assert kinds(other)[-1] is Finished


def test_those_who_wait_for_a_checkpoint_are_told_how_far_it_is(worker):
    waiting = [ticket(worker, "random", seed=seed) for seed in range(2)]
    work_off(worker)
    told = [[e for e in made.stream.read() if isinstance(e, Loading)] for made in waiting]
    heard, also = [[(e.model, e.doing, e.share) for e in own] for own in told]
    assert heard == also and {model for model, _, _ in heard} == {"random"}
    doings = [doing for _, doing, _ in heard]
    assert doings[0] == "reading the text encoder"
    begun = [a for a, b in zip(doings, ["", *doings], strict=False) if a != b]
    assert len(begun) == len(set(begun)) > 2  # each part once: it is loaded once, for both
    shares = [share for _, _, share in heard if share is not None]
    assert shares and shares == sorted(shares) and shares[-1] <= 1.0


def test_pictures_are_decoded_one_a_turn_beside_other_runs(worker):
    many = ticket(worker, count=3, steps=1)
    other = ticket(worker, steps=30, seed=9)
    while not many.over:
        worker.turn()
    assert not other.over
    assert len(many.stream.last.pictures) == 3


def test_a_run_cancelled_while_it_waits_never_begins(worker):
    made = ticket(worker)
    made.cancelled = True
    worker.turn()
    assert kinds(made) == [Cancelled] and made.recording is None


def test_forgetting_frees_the_recording(worker):
    made = ticket(worker)
    work_off(worker)
    assert worker.shelf.bytes > 0
    worker.forget(made)
    assert worker.shelf.bytes == 0


def test_abandoning_ends_everything_with_the_reason(worker):
    made = ticket(worker, steps=50)
    worker.turn()
    worker.abandon("It broke.")
    assert made.stream.last.message == "It broke." and not worker.busy
