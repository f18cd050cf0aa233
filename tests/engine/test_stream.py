import threading
import time

import pytest

from studio.contract import Cancelled, Decoding, Level, Queued, Step
from studio.engine.stream import KEPT_STEPS, Stream


def step(index):
    return Step("r", index, 99, index + 1, 2, Level(1.0, 1.0, 1.0, 1.0, 0.0), 1.0, 1.0, 1.0)


def test_events_come_in_the_order_they_were_made():
    stream = Stream()
    made = [Queued("r"), step(0), step(1), Decoding("r"), Cancelled("r")]
    for event in made:
        stream.put(event)
    assert list(stream.read()) == made


def test_a_slow_reader_loses_stale_steps_only():
    stream = Stream()
    stream.put(Queued("r"))
    for index in range(50):
        stream.put(step(index))
    stream.put(Decoding("r"))
    stream.put(Cancelled("r"))
    seen = list(stream.read())
    assert [type(e) for e in seen if not isinstance(e, Step)] == [Queued, Decoding, Cancelled]
    assert [e.index for e in seen if isinstance(e, Step)] == list(range(50 - KEPT_STEPS, 50))


def test_a_stream_keeps_few_events_however_long_the_run():
    stream = Stream()
    for index in range(1000):
        stream.put(step(index))
    assert len(stream._events) == KEPT_STEPS


def test_nothing_follows_the_last_event():
    stream = Stream()
    stream.put(Cancelled("r"))
    stream.put(step(0))
    assert list(stream.read()) == [Cancelled("r")]


def test_two_readers_see_the_same():
    stream = Stream()
    first = stream.read()
    stream.put(step(0))
    assert next(first) == step(0)
    stream.put(Cancelled("r"))
    assert list(stream.read()) == [step(0), *first]


def test_reading_ends_when_nothing_comes_within_the_timeout():
    stream = Stream()
    stream.put(Queued("r"))
    assert list(stream.read(timeout=0.05)) == [Queued("r")]


def test_a_waiting_reader_is_woken():
    stream, seen = Stream(), []
    reader = threading.Thread(target=lambda: seen.extend(stream.read(timeout=10)))
    reader.start()
    time.sleep(0.02)
    stream.put(Cancelled("r"))
    reader.join(timeout=5)
    assert seen == [Cancelled("r")]


def test_closing_a_reader_leaves_the_stream_open():
    stream = Stream()
    stream.put(Queued("r"))
    reader = stream.read()
    next(reader)
    reader.close()
    with pytest.raises(StopIteration):
        next(reader)
    stream.put(Cancelled("r"))
    assert len(list(stream.read())) == 2
