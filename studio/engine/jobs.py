"""Questions that are answered between two forwards: frames, and what a checkpoint knows.

A job is a generator: it works up to its next yield, then the runs have their turn again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any

from studio.errors import Busy, StudioError

PATIENCE = 120.0  # seconds that a question may wait for its answer
log = logging.getLogger(__name__)

Job = Generator[None, None, Any]


class Jobs:
    """The jobs that are under way, served in turn. Belongs to the worker thread."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Job, Future]] = deque()

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, job: Job, future: Future) -> None:
        """`future` gets what the job returns, or the StudioError it ends with."""
        self._jobs.append((job, future))

    def piece(self) -> None:
        """One piece of the first job, which then goes to the end of the line."""
        if not self._jobs:
            return
        job, future = self._jobs.popleft()
        if future.cancelled():
            job.close()
            return
        try:
            next(job)
            self._jobs.append((job, future))
        except StopIteration as end:
            settle(future, end.value)
        except StudioError as error:
            settle(future, error)
        except Exception:
            log.exception("a job failed")
            settle(future, StudioError("This could not be made; the server's log says why."))

    def stop(self) -> None:
        """Give up all of them."""
        for job, future in self._jobs:
            job.close()
            settle(future, StudioError("The engine was stopped; ask again."))
        self._jobs.clear()


def answer(future: Future) -> Any:
    """What a job returned, or raised; Busy where it takes longer than anybody's patience."""
    try:
        return future.result(PATIENCE)
    except TimeoutError:
        raise late(future) from None


def late(future: Future) -> Busy:
    """Give a question up; the error to raise."""
    future.cancel()
    return Busy("The engine did not come to it in time; try again in a moment.")


def settle(future: Future, outcome: object) -> None:
    """Hand over a result or an error, unless it is settled or whoever asked has given up."""
    if future.done() or not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def short(error: BaseException) -> str:
    """The exception's first line, or its name."""
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200].rstrip(".")
