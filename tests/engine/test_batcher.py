import pytest
import torch

from studio.checkpoints.autoencoders import Worn
from studio.engine import batcher
from studio.errors import OutOfMemory
from tests.engine.closed import Closed, start


class Small(Closed):
    """A device that has room for a few rows at a time."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def predict(self, x, t, conditions):
        if len(x) > self.room:
            raise torch.OutOfMemoryError("no room")
        return super().predict(x, t, conditions)


def test_rows_stay_within_the_limit():
    checkpoint = Closed()
    runs = [start(checkpoint, seed=k) for k in range(5)]
    assert len(batcher.choose(runs, lambda run: 6)) == 3


def test_a_run_larger_than_the_limit_is_taken_alone():
    checkpoint = Closed()
    runs = [start(checkpoint, count=8), start(checkpoint)]
    assert batcher.choose(runs, lambda run: 4) == [runs[0]]


def test_states_of_another_shape_wait_for_their_own_forward():
    checkpoint = Closed()
    runs = [start(checkpoint), start(checkpoint, seed=1)]
    runs[1].shape = (3, 8, 8)
    assert batcher.choose(runs, lambda run: 32) == [runs[0]]


def test_a_row_of_four_times_the_area_counts_for_four():
    checkpoint = Closed()
    runs = [start(checkpoint, seed=k) for k in range(3)]
    for run in runs:
        run.shape = (3, 8, 8)
    assert len(batcher.choose(runs, lambda run: 16)) == 2


def test_without_room_the_rows_are_halved_until_they_fit():
    checkpoint = Small(room=3)
    run = start(checkpoint, count=4)
    expected = batcher.ask([start(Closed(), count=4)], 32)[0][0][0]
    ((raw, _),), _, limit = batcher.ask([run], 32)
    assert torch.equal(raw, expected)
    assert limit == 2


def test_a_single_row_without_room_is_an_error_in_words():
    with pytest.raises(OutOfMemory, match="make it smaller"):
        batcher.ask([start(Small(room=0))], 32)


def test_a_failed_attempt_keeps_no_tensor_alive():
    import gc
    import weakref

    held = []

    def failing():
        big = torch.zeros(1000)
        held.append(weakref.ref(big))
        raise torch.OutOfMemoryError("no room")

    assert batcher.attempt(failing) is None
    gc.collect()
    assert held[0]() is None


def test_other_errors_are_not_taken_for_a_lack_of_room():
    def failing():
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes"):
        batcher.attempt(failing)


def test_between_two_forwards_of_a_split_question_a_stop_is_heard():
    checkpoint = Closed()
    run = start(checkpoint, count=4)
    run.ticket.cancelled = True
    answers, _, _ = batcher.ask([run], 2)
    assert answers is None and checkpoint.sizes == []


def test_runs_of_two_copies_of_a_checkpoint_share_no_forward():
    one, other = Closed(), Closed()
    runs = [start(one), start(other, seed=1), start(one, seed=2)]
    assert batcher.choose(runs, lambda run: 32) == [runs[0], runs[2]]


def test_runs_that_differ_in_their_autoencoder_alone_share_a_forward():
    checkpoint = Closed()
    checkpoint.embed = None
    runs = [start(checkpoint), start(Worn(checkpoint, None, None), seed=1)]
    assert batcher.choose(runs, lambda run: 32) == runs
