"""The lab: the forward process, what a checkpoint knows of it, and inversion; see `noising.Lab`.

This half knows no torch: it checks what is asked, opens and cuts the picture in the caller's
thread, and starts a job on the worker's. Long answers are streamed; closing one ends its job.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from studio import noising
from studio.checkpoints.catalog import Catalog
from studio.engine import lab_paths
from studio.engine.jobs import PATIENCE, Job, answer, late
from studio.errors import BadRequest
from studio.imaging import film
from studio.imaging.fit import cut
from studio.imaging.pictures import open_picture
from studio.noising import Noising, Schedule

if TYPE_CHECKING:
    from studio.engine.worker import Worker

Make = Callable[["Worker"], Job]
END = object()


class Lab:
    """The engine's verbs beside generation, from any thread."""

    def __init__(self, start: Callable[[Make], Future], catalog: Catalog) -> None:
        """`start` gives a job to the thread that owns the device."""
        self._start, self._catalog = start, catalog

    def schedules(self) -> tuple[str, ...]:
        return lab_paths.names()

    def densities(self, points: int = 129) -> tuple[noising.Density, ...]:
        return lab_paths.training_densities(points)

    def process(
        self, asked: Noising, picture: bytes, against: Schedule | None = None
    ) -> noising.Process:
        rgb = self._cut(asked, picture, against)

        def job(worker: Worker) -> Job:
            from studio.engine import lab_forward

            return (yield from lab_forward.process(worker, asked, rgb, against))

        return answer(self._start(job))

    def strip(self, asked: Noising, picture: bytes, shares: tuple[float, ...]) -> noising.Strip:
        shares = noising.check_shares(shares)
        rgb = self._cut(asked, picture)

        def job(worker: Worker) -> Job:
            from studio.engine import lab_forward

            return (yield from lab_forward.strip(worker, asked, rgb, shares))

        return answer(self._start(job))

    def film(self, asked: Noising, picture: bytes, frames: int = 33) -> bytes:
        shares = noising.check_shares(tuple(k / (frames - 1) for k in range(frames)))
        rgb = self._cut(asked, picture)

        def job(worker: Worker) -> Job:
            from studio.engine import lab_forward

            return (yield from lab_forward.frames(worker, asked, rgb, shares))

        return film.gif([film.enlarged(frame, "xt") for frame in answer(self._start(job))])

    def decoded(
        self, asked: Noising, picture: bytes, shares: tuple[float, ...]
    ) -> Iterator[noising.Decoded]:
        shares = noising.check_shares(shares)
        rgb = self._cut(asked, picture)

        def make(worker: Worker) -> Iterator[noising.Decoded | None]:
            from studio.engine import lab_forward

            yield from lab_forward.decoded(worker, asked, rgb, shares)

        return self._stream(make)

    def walk(
        self, asked: Noising, picture: bytes, shares: tuple[float, ...]
    ) -> Iterator[noising.Walked]:
        shares = noising.check_shares(shares)
        rgb = self._cut(asked, picture)

        def make(worker: Worker) -> Iterator[noising.Walked | None]:
            from studio.engine import lab_forward

            yield from lab_forward.walk(worker, asked, rgb, shares)

        return self._stream(make)

    def guesses(
        self,
        asked: Noising,
        picture: bytes,
        shares: tuple[float, ...],
        prompt: str = "",
        seeds: int = 4,
    ) -> Iterator[noising.Guess]:
        shares = noising.check_shares(shares)
        noising.check_question(prompt, seeds)
        rgb = self._cut(asked, picture, of_model=True)

        def make(worker: Worker) -> Iterator[noising.Guess | None]:
            from studio.engine import lab_model

            yield from lab_model.guesses(worker, asked, rgb, shares, prompt, seeds)

        return self._stream(make)

    def invert(
        self, asked: Noising, picture: bytes, method: str, steps: int, prompt: str = ""
    ) -> Iterator[noising.Inverting | noising.Inverted]:
        noising.check_inversion(method, steps)
        noising.check_question(prompt)
        rgb = self._cut(asked, picture, of_model=True)

        def make(worker: Worker) -> Iterator[noising.Inverting | noising.Inverted | None]:
            from studio.engine import lab_model

            yield from lab_model.invert(worker, asked, rgb, method, steps, prompt)

        return self._stream(make)

    def _cut(
        self,
        asked: Noising,
        picture: bytes,
        against: Schedule | None = None,
        of_model: bool = False,
    ) -> np.ndarray:
        """The middle square of the picture, (side, side, 3) uint8, at the size that it needs."""
        for schedule in (asked.schedule, against):
            if schedule is not None and schedule.id != lab_paths.OWN:
                lab_paths.way(schedule)  # refuses before anything is loaded
        own = lab_paths.OWN in (asked.schedule.id, against.id if against else "")
        side = asked.side
        if of_model or own or asked.space == "latent":
            entry = self._catalog[asked.model]
            if of_model or asked.space == "latent":
                side = entry.size
            if asked.space == "latent" and entry.family == "exact":
                raise BadRequest(
                    f"{entry.title} works on pixels and has no latent space; choose pixels."
                )
        return cut(open_picture(picture), side, side)

    def _stream(self, make: Callable[[Worker], Iterator[Any]]) -> Iterator[Any]:
        """What a job yields, as it comes; None is a pause. Raises what ends the job."""
        out: queue.SimpleQueue = queue.SimpleQueue()
        stopped = threading.Event()

        def job(worker: Worker) -> Job:
            for made in make(worker):
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
