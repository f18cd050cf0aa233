import torch

from studio.contract import Level
from studio.engine.recording import Shelf, eps

STATE = torch.arange(2 * 3 * 4 * 4, dtype=torch.float32).reshape(2, 3, 4, 4) / 50
BYTES = 2 * STATE.numel() * 2  # x_t and x̂0 of a step, in half precision


def level(k=0):
    return Level(t=float(k), share=0.5, alpha=0.8, sigma=0.6, logsnr=0.5, step=k)


def fill(shelf, recording, steps):
    for k in range(steps):
        recording.add(level(k), STATE, STATE * 2)
        shelf.fit(recording)


def test_a_step_is_kept_in_half_precision():
    recording = Shelf(10**6).new()
    recording.add(level(), STATE, STATE * 2)
    assert recording.xt[0].dtype == torch.float16
    assert torch.equal(recording.x0[0], (STATE * 2).half())
    assert recording.bytes == BYTES


def test_later_changes_of_the_state_do_not_reach_the_recording():
    recording, state = Shelf(10**6).new(), STATE.clone()
    recording.add(level(), state, state)
    state.zero_()
    assert torch.equal(recording.xt[0], STATE.half())


def test_states_beyond_half_precision_stay_finite():
    recording = Shelf(10**6).new()
    recording.add(level(), STATE * 1e6, -STATE * 1e6)
    assert bool(torch.isfinite(recording.xt[0]).all() and torch.isfinite(recording.x0[0]).all())


def test_the_oldest_finished_recording_makes_room():
    shelf = Shelf(5 * BYTES)
    first, second = shelf.new(), shelf.new()
    fill(shelf, first, 2)
    fill(shelf, second, 2)
    first.finished = second.finished = True
    third = shelf.new()
    fill(shelf, third, 3)
    assert (first.freed, second.freed, len(third.levels)) == (True, False, 3)


def test_a_run_that_goes_is_never_the_one_to_make_room():
    shelf = Shelf(3 * BYTES)
    going, other = shelf.new(), shelf.new()
    fill(shelf, going, 2)
    fill(shelf, other, 2)
    assert not going.freed and len(going.levels) == 2


def test_a_run_larger_than_the_budget_is_thinned_evenly():
    shelf = Shelf(4 * BYTES)
    recording = shelf.new()
    fill(shelf, recording, 16)
    assert [lv.step for lv in recording.levels] == [0, 8, 15]
    for t in range(16, 32):
        recording.add(level(t), STATE, STATE)
        shelf.fit(recording)
    assert [lv.step for lv in recording.levels] == [0, 16, 31]
    assert shelf.bytes <= 4 * BYTES


def test_the_newest_step_is_always_there():
    shelf = Shelf(4 * BYTES)
    recording = shelf.new()
    for step in range(40):
        recording.add(level(step), STATE * step / 40, STATE)
        shelf.fit(recording)
        assert recording.levels[0].step == 0 and recording.levels[-1].step == step
        assert torch.equal(recording.xt[-1], (STATE * step / 40).half())
        assert len(recording.levels) == len(recording.xt) == len(recording.x0)


def test_the_largest_run_that_goes_makes_room_for_a_small_one():
    shelf = Shelf(6 * BYTES)
    long, short = shelf.new(), shelf.new()
    fill(shelf, long, 5)
    fill(shelf, short, 3)
    assert [lv.step for lv in short.levels] == [0, 1, 2]
    assert [lv.step for lv in long.levels] == [0, 2, 4]


def test_a_budget_of_nothing_keeps_the_newest_step_alone():
    shelf = Shelf(0)
    recording = shelf.new()
    fill(shelf, recording, 5)
    assert [lv.step for lv in recording.levels] == [4]


def test_dropping_a_recording_frees_it_and_may_be_repeated():
    shelf = Shelf(10**6)
    recording = shelf.new()
    fill(shelf, recording, 3)
    shelf.drop(recording)
    shelf.drop(recording)
    assert shelf.bytes == 0 and recording.xt == []


def test_keeping_the_first_picture_frees_the_others():
    recording = Shelf(10**6).new()
    recording.add(level(), STATE, STATE)
    recording.keep_first()
    assert recording.bytes == BYTES // 2 and len(recording.xt[0]) == 1


def test_eps_is_what_is_left_of_the_state():
    noise = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    x0 = STATE[:1]
    found = eps(0.8 * x0 + 0.6 * noise, x0, level())
    assert torch.allclose(found, noise, atol=1e-6)
