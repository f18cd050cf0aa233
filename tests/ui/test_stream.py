"""From events to the stage's messages, and the cap on how often it is shown one."""

import json

import pytest

from studio import contract as c
from studio.errors import Busy
from studio.ui import stream

LEVEL = c.Level(999.0, 1.0, 0.0, 1.0, float("-inf"))
CLEAN = c.Level(0.0, 0.0, 1.0, 0.0, float("inf"))


def step(index: int, total: int = 5, **more) -> c.Step:
    return c.Step("r", index, total, index + 1, index + 1, LEVEL, 2.0, 1.0, 0.1, **more)


EVENTS = [
    c.Queued("r", 2),
    c.Loading("r", "m", "reading", 0.5),
    step(0, xt=(b"a",), x0=(b"b",), delta=0.5),
    c.Decoding("r"),
    c.Finished(
        "r", c.Request("m"), (b"png",), ("aa",), "bb", 5, 5, 1.0, (1.0,), 1,
        c.PreviewCard("tiny", 1.0, 4.0, None), ("A note.",),
    ),
    c.Cancelled("r", 1),
    c.Failed("r", "64 runs are waiting already; try again in a moment."),
]  # fmt: skip


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_every_event_becomes_plain_json(event):
    message = stream.to_stage(event, (LEVEL, CLEAN))
    assert message["kind"] == type(event).__name__.lower()
    json.dumps(message, allow_nan=False)


def test_the_clean_end_has_no_infinite_number():
    assert stream.to_stage(EVENTS[4], (CLEAN,))["levels"][0]["logsnr"] is None


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_fast_steps_wait_so_that_a_second_shows_at_most_25():
    clock = Clock()
    list(stream.live(iter([step(i) for i in range(4)]), clock, clock.sleep))
    assert clock.slept == [pytest.approx(1 / 25)] * 4


def test_after_the_last_step_nothing_waits():
    clock = Clock()
    events = [step(4), EVENTS[3], EVENTS[4]]
    assert list(stream.live(iter(events), clock, clock.sleep)) == events
    assert clock.slept == []


def test_slow_steps_do_not_wait():
    clock = Clock()

    def slow():
        for i in range(3):
            yield step(i)
            clock.now += 1.0

    for _ in stream.live(slow(), clock, clock.sleep):
        clock.now += 0.5
    assert clock.slept == [0.0, 0.0, 0.0]


def test_a_studio_error_is_said_in_its_own_words():
    assert stream.problem(Busy("Come back later."))["text"] == "Come back later."


def test_a_bug_is_logged_whole_and_said_without_its_traceback(caplog):
    message = stream.problem(ZeroDivisionError("secret detail"))
    assert message["key"] == "err_bug"
    assert "secret detail" not in json.dumps(message)
    assert "secret detail" in caplog.text
