"""How an engine starts, fails and ends: whoever waits is always answered."""

import threading
from concurrent.futures import Future

import pytest

from studio.contract import Cancelled, Failed, Finished
from studio.engine import lab as labs
from studio.engine import residents, worker
from studio.engine.engine import LocalEngine
from studio.engine.lab import Lab
from studio.errors import Busy, StudioError
from studio.settings import Settings
from tests.engine.watching import last, request

PATIENCE = 20  # seconds within which a test's question must be answered


@pytest.fixture
def idle(models):
    """An engine that nobody has started."""
    engine = LocalEngine(Settings(models=models, threads=1))
    yield engine
    engine.close()


def asked(engine):
    """Ask about a prompt in a thread; what came of it."""
    out = []

    def ask():
        try:
            out.append(engine.known("shapes", "red disc"))
        except Exception as error:
            out.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread, out


def test_the_first_run_starts_an_engine_that_nobody_has_started(idle):
    assert isinstance(last(idle, idle.submit(request("shapes", steps=1))), Finished)


def test_the_first_question_starts_it_too(idle):
    thread, out = asked(idle)
    thread.join(PATIENCE)
    assert out[0].known


def test_an_engine_that_does_not_start_answers_whoever_waits(idle, monkeypatch):
    reached, opened = threading.Event(), threading.Event()

    class Broken:
        def __init__(self, *_):
            reached.set()
            opened.wait(PATIENCE)
            raise RuntimeError("no such device at /srv/secret")

    monkeypatch.setattr(worker, "Worker", Broken)
    run = idle.submit(request("shapes"))
    assert reached.wait(PATIENCE)
    thread, out = asked(idle)
    while not idle._asked:
        thread.join(0.01)
    opened.set()
    thread.join(PATIENCE)
    assert isinstance(out[0], StudioError) and "did not start" in str(out[0])
    end = last(idle, run)
    assert isinstance(end, Failed) and "did not start" in end.message
    assert "/srv" not in end.message + str(out[0]) + idle.status()


def test_a_device_that_is_not_there_is_named(models):
    engine = LocalEngine(Settings(models=models, device="cuda:99", threads=1))
    end = last(engine, engine.submit(request("shapes")))
    assert end.message == "This machine has no device cuda:99; start with --device auto."


def test_closing_answers_a_question_that_was_not_come_to(idle, monkeypatch):
    monkeypatch.setattr(idle, "start", lambda warm=True: idle)
    thread, out = asked(idle)
    while not idle._asked:
        thread.join(0.01)
    idle.close()
    thread.join(PATIENCE)
    assert isinstance(out[0], StudioError) and "stopped" in str(out[0])


def test_what_fails_beside_a_run_does_not_end_the_engine(idle):
    idle.start(warm=False)
    idle._post(lambda worker: 1 / 0)
    assert isinstance(last(idle, idle.submit(request("shapes", steps=1))), Finished)


def test_a_question_that_cannot_be_begun_fails_in_words(idle):
    idle.start(warm=False)
    with pytest.raises(StudioError):
        idle._start_job(lambda worker: 1 / 0).result(PATIENCE)
    assert isinstance(last(idle, idle.submit(request("shapes", steps=1))), Finished)


def test_a_stream_that_stays_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(labs, "PATIENCE", 0.01)
    future = Future()
    with pytest.raises(Busy, match="try again"):
        list(Lab(lambda make: future, None)._stream(lambda worker: iter(())))
    assert future.cancelled()


def test_a_run_cancelled_while_its_checkpoint_is_opened_ends_at_once(idle, monkeypatch):
    reached, opened, load = threading.Event(), threading.Event(), residents.load

    def slow(*inputs):
        reached.set()
        opened.wait(PATIENCE)
        return load(*inputs)

    monkeypatch.setattr(residents, "load", slow)
    run = idle.submit(request("shapes"))
    assert reached.wait(PATIENCE)
    idle.cancel(run)
    told = list(idle.events(run, timeout=5))
    still_opening = not opened.is_set()
    opened.set()
    assert isinstance(told[-1], Cancelled) and still_opening
    assert isinstance(last(idle, idle.submit(request("shapes", steps=1))), Finished)
