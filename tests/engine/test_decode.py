import numpy as np
import pytest
import torch

from studio.contract import Level
from studio.engine import decode
from studio.engine.previews import Painter
from studio.engine.recording import Shelf
from studio.errors import NotFound, OutOfMemory
from tests.engine.closed import SHAPE, Closed

STATE = torch.linspace(-1, 1, 48).reshape(1, *SHAPE)


class Tight(Closed):
    """Room for decoding in tiles only, or not even that."""

    def __init__(self, tiles):
        super().__init__()
        self.tiles = tiles

    def decode(self, x, tiled=False):
        if not (tiled and self.tiles):
            raise torch.OutOfMemoryError("no room")
        return x


def recorded(steps=3):
    recording = Shelf(2**20).new()
    for k in range(steps):
        recording.add(Level(k, 0.5, 0.8, 0.6, 0.5), STATE * 0.1 * k, STATE)
    return recording


def drain(job):
    try:
        while True:
            next(job)
    except StopIteration as end:
        return end.value


def test_a_state_becomes_a_picture():
    assert decode.picture(Closed(), STATE).shape == (4, 4, 3)


def test_without_room_it_is_decoded_in_tiles():
    assert np.array_equal(decode.picture(Tight(True), STATE), decode.picture(Closed(), STATE))


def test_a_large_picture_is_decoded_in_tiles_at_once(monkeypatch):
    monkeypatch.setattr(decode, "WHOLE", 15)
    asked = []
    checkpoint = Closed()
    monkeypatch.setattr(
        checkpoint, "decode", lambda x, tiled=False: asked.append(tiled) or x, raising=False
    )
    decode.picture(checkpoint, STATE)
    assert asked == [True]


def test_without_room_for_tiles_it_is_an_error_in_words():
    with pytest.raises(OutOfMemory, match="make it smaller"):
        decode.picture(Tight(False), STATE)


def test_frames_yield_between_any_two():
    job = decode.frames(Painter(Closed()), recorded(), "x0", 0, [0, 1, 2])
    pieces = sum(1 for _ in job)
    assert pieces == 3


def test_frames_show_what_was_asked_for():
    recording, painter = recorded(), Painter(Closed())
    shown = {w: drain(decode.frames(painter, recording, w, 0, [2]))[0] for w in ("xt", "x0", "eps")}
    noise = (STATE.half() * 0.2 - 0.8 * STATE.half()) / 0.6
    assert np.array_equal(shown["x0"], painter.state(STATE.half())[0])
    assert abs(shown["eps"].astype(int) - painter.state(noise)[0]).max() <= 1


@pytest.mark.parametrize(("index", "step"), [(0, 3), (0, -1), (1, 0)])
def test_what_was_not_recorded_is_not_found(index, step):
    with pytest.raises(NotFound):
        drain(decode.frames(Painter(Closed()), recorded(), "x0", index, [step]))


def test_a_freed_recording_says_what_to_do():
    recording = recorded()
    recording.free()
    with pytest.raises(NotFound, match="run its recipe again"):
        drain(decode.frames(Painter(Closed()), recording, "x0", 0, [0]))


@pytest.mark.parametrize("count", [0, 1, 74, 75, 76, 1000])
def test_a_spread_is_even_and_has_both_ends(count):
    places = decode.spread(count, 75)
    assert len(places) == min(count, 75) and places == sorted(set(places))
    assert places[:1] == [0][:count] and places[-1:] == [count - 1][:count]
