from concurrent.futures import Future

import pytest

from studio.engine import jobs as module
from studio.engine.jobs import Jobs, answer, short
from studio.errors import Busy, NotFound, StudioError


def counting(n, seen, name):
    for _ in range(n):
        seen.append(name)
        yield
    return name


def work_off(jobs):
    while jobs:
        jobs.piece()


def test_jobs_take_turns_and_answer():
    jobs, seen, futures = Jobs(), [], {name: Future() for name in "ab"}
    for name, future in futures.items():
        jobs.add(counting(2, seen, name), future)
    work_off(jobs)
    assert seen == ["a", "b", "a", "b"]
    assert [future.result(0) for future in futures.values()] == ["a", "b"]


def failing(error):
    raise error
    yield


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (NotFound("not here"), NotFound, "^not here$"),
        (ValueError("a bug in /srv"), StudioError, r"^This could not be made; [\w' ]*\.$"),
    ],
)
def test_a_job_that_fails_tells_whoever_asked(error, kind, said):
    jobs, future = Jobs(), Future()
    jobs.add(failing(error), future)
    work_off(jobs)
    with pytest.raises(kind, match=said):
        future.result(0)


def test_a_job_that_nobody_waits_for_is_dropped():
    jobs, seen, future = Jobs(), [], Future()
    jobs.add(counting(5, seen, "a"), future)
    jobs.piece()
    future.cancel()
    work_off(jobs)
    assert seen == ["a"]


def test_stopping_answers_everybody():
    jobs, future = Jobs(), Future()
    jobs.add(counting(5, [], "a"), future)
    jobs.stop()
    with pytest.raises(StudioError, match="stopped"):
        future.result(0)
    assert not jobs


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    future = Future()
    with pytest.raises(Busy, match="try again"):
        answer(future)
    assert future.cancelled()


def test_an_errors_first_line_is_its_short_form():
    assert short(ValueError("one.\ntwo")) == "one"
    assert short(KeyError()) == "KeyError"
