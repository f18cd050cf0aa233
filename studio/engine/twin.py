"""The exact twin's verbs, from any thread; see `twinning.Twins`. This half knows no torch."""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import SPACINGS
from studio.engine.jobs import PATIENCE, Job, answer, late
from studio.errors import BadRequest, OverBudget
from studio.twinning import MAX_WORK, Climb, Data, Raced, TwinRace, check_rungs

if TYPE_CHECKING:
    from studio.engine.worker import Worker

Make = Callable[["Worker"], Job]
END = object()


class TwinLab:
    """Samplers on mixtures in the plane. What is asked is checked in the caller's thread."""

    def __init__(self, start: Callable[[Make], Future]) -> None:
        """`start` gives a job to the thread that owns the device."""
        self._start = start
        self._kept: OrderedDict[Any, Any] = OrderedDict()  # the worker's thread alone reads it

    def data(self) -> tuple[Data, ...]:
        def job(worker: Worker) -> Job:
            from studio.engine import twin_race

            yield
            return twin_race.all_data()

        return answer(self._start(job))

    def race(self, asked: TwinRace) -> Raced:
        check(asked)

        def job(worker: Worker) -> Job:
            from studio.engine import twin_race

            return (yield from alone(twin_race.race(asked, self._kept)))

        return answer(self._start(job))

    def climb(self, asked: TwinRace, nfes: tuple[int, ...]) -> Iterator[Climb]:
        nfes = check_rungs(nfes)
        check(asked)
        work = asked.particles * len(asked.lanes) * sum(nfes)
        if work > MAX_WORK:
            raise OverBudget(
                f"{asked.particles} particles × {work // asked.particles} evaluations on the "
                f"ladder is more than {MAX_WORK}; take fewer particles, lanes or rungs."
            )
        return self._stream(asked, nfes)

    def _stream(self, asked: TwinRace, nfes: tuple[int, ...]) -> Iterator[Climb]:
        out: queue.SimpleQueue = queue.SimpleQueue()
        stopped = threading.Event()

        def job(worker: Worker) -> Job:
            from studio.engine import twin_ladder

            for made in alone(twin_ladder.climb(asked, nfes, self._kept)):
                if made is not None:
                    out.put(made)
                yield
                if stopped.is_set():
                    return

        future = self._start(job)
        future.add_done_callback(lambda _: out.put(END))

        def read() -> Iterator[Any]:
            try:
                while (made := out.get(timeout=PATIENCE)) is not END:
                    yield made
                answer(future)
            except queue.Empty:
                raise late(future) from None
            finally:
                stopped.set()

        return read()


def alone(job: Iterator[Any]) -> Generator[Any, None, Any]:
    """The same job with one thread for its arithmetic, which is too small to be shared out: on a
    busy machine two threads that wait for each other take a hundred times as long."""
    import torch

    while True:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            made = next(job)
        except StopIteration as end:
            return end.value
        finally:
            torch.set_num_threads(threads)
        yield made


def check(asked: TwinRace) -> None:
    """Raise BadRequest for a method or a spacing that there is not, or that fits no such path."""
    for lane in asked.lanes:
        if lane.sampler not in SAMPLERS:
            name = str(lane.sampler)[:40]
            raise BadRequest(f"There is no sampler “{name}”; choose one from the list.")
        if lane.spacing not in SPACINGS:
            name = str(lane.spacing)[:40]
            raise BadRequest(f"There is no spacing “{name}”; choose one from the list.")
        tables = ("leading", "trailing", "linspace", "sgm_uniform", "ays")
        if lane.path == "ve" and lane.spacing in tables:
            raise BadRequest(
                "An exploding path has no table of times to pick from; take the Karras, "
                "exponential or beta spacing."
            )
        if lane.path == "flow" and lane.spacing == "ays":
            raise BadRequest(
                "Align Your Steps has tables for variance-preserving paths only; take another "
                "spacing."
            )
