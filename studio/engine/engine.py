"""LocalEngine: the contract's verbs, from any thread, onto one worker thread.

This module knows no torch. The worker thread imports it in the background, so that a server can
bind its port first; until then `status` says so and runs wait.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from studio import contract, presets, prompting
from studio.checkpoints.catalog import scan
from studio.contract import (
    Cancelled,
    Event,
    Failed,
    Film,
    Known,
    Level,
    Loading,
    Queued,
    Request,
    View,
    What,
)
from studio.engine import offers
from studio.engine.adapting import Adapting, check_view
from studio.engine.grid import Grids
from studio.engine.hints import Steering
from studio.engine.insides import Insides
from studio.engine.jobs import answer, settle
from studio.engine.lab import Lab
from studio.engine.looks import Looks
from studio.engine.race import Races
from studio.engine.stock import Stock, folders
from studio.engine.ticket import Ticket
from studio.engine.twin import TwinLab
from studio.engine.uploads import Uploads
from studio.errors import Busy, NotFound, StudioError
from studio.extras.shelf import Shelf
from studio.imaging import film
from studio.imaging.encode import png
from studio.prompting import Tokens
from studio.settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from studio.engine.jobs import Job
    from studio.engine.residents import Residents
    from studio.engine.worker import Worker

log = logging.getLogger(__name__)
KEPT_RUNS = 256  # finished runs whose pictures and steps can still be asked for
KEPT_BYTES = 128 * 2**20  # of their events: pictures and previews
STARTING = "starting the engine"


class LocalEngine:
    """One device, one worker thread, any number of callers. See `contract.Engine`."""

    def __init__(self, settings: Settings) -> None:
        """Scans the models folder; `start` begins the work."""
        self._settings = settings
        self._catalog = scan(*folders(settings))
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._inbox: deque[Callable[[Worker], None]] = deque()
        self._asked: set[Future] = set()  # questions without an answer yet
        self._wake = threading.Condition()
        self._closed = False
        self._broken: str | None = None
        self._uploads = Uploads()
        self._looks = Looks(Shelf(settings.extras))
        self.steering = Steering(self._catalog, self._uploads, self._looks)
        self.adapting = Adapting(self._catalog)
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None
        self.lab = Lab(self._start_job, self._catalog)
        self.holdings = Stock(settings, self._catalog, self._start_job, self._residents)
        self.insides = Insides(self._start_job, self._catalog)
        self.twin = TwinLab(self._start_job)
        self.races = Races(self, self._made, self._accept, self._start_job)
        self.grids = Grids(
            self, lambda request: offers.resolve(request, self._catalog), self._finished
        )

    def start(self, warm: bool = True) -> LocalEngine:
        """Start the worker; idempotent. `warm` loads the default checkpoint while it is idle.

        The first run or question starts it too, where a page is served by other means.
        """
        with self._wake:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, args=(warm,), name="device", daemon=True
                )
                self._thread.start()
        return self

    # What there is

    def catalog(self) -> tuple[contract.CheckpointInfo, ...]:
        residents = self._residents()
        loaded = residents.ids() if residents else ()
        return tuple(offers.info(e, e.id in loaded) for e in self._catalog.entries.values())

    def _residents(self) -> Residents | None:
        return self._worker.residents if self._worker else None

    def default_model(self) -> str:
        return self._catalog.default

    def choices(self) -> contract.Choices:
        return offers.choices()

    def status(self) -> str:
        if self._broken:
            return self._broken
        return self._worker.doing if self._worker else STARTING

    # Pictures that runs start from or follow

    def keep(self, picture: bytes) -> str:
        return self._uploads.keep(picture)

    def kept(self, picture: str) -> bytes:
        return self._uploads.png(picture)

    # Runs

    def submit(self, request: Request, view: View | None = None) -> str:
        ticket = self._made(request, view)
        self._accept([ticket])
        return ticket.id

    def _made(self, request: Request, view: View | None = None, **more: Any) -> Ticket:
        """A ticket for a request that can be met; raises BadRequest, OverBudget, NotFound."""
        resolved = offers.resolve(request, self._catalog)
        check_view(view or View(), resolved.model, self._catalog)
        self._looks.check(resolved.controls)
        pictures = {id: self._uploads.png(id) for id in resolved.pictures()}
        return Ticket(resolved, view or View(), pictures, **more)

    def _accept(self, tickets: Sequence[Ticket]) -> int:
        """Take all of these, which begin together, or raise Busy; how many are before them."""
        with self._wake:
            self._check_open()
            self._forget_oldest()
            ahead = sum(not other.over for other in self._tickets.values())
            if ahead and ahead + len(tickets) > self._settings.queue_limit:
                raise Busy(f"{ahead} runs are waiting already; try again in a moment.")
            for ticket in tickets:
                self._tickets[ticket.id] = ticket
                ticket.stream.put(Queued(ticket.id, ahead))
                if self._worker is None:
                    ticket.stream.put(Loading(ticket.id, ticket.request.model, STARTING))
            self._inbox.extend(partial(_admit, ticket) for ticket in tickets)
            self._wake.notify_all()
        self.start(warm=False)
        return ahead

    def events(self, run: str, timeout: float | None = None) -> Iterator[Event]:
        return self._ticket(run).stream.read(timeout)

    def cancel(self, run: str) -> None:
        ticket = self._tickets.get(run)
        if ticket is not None:
            ticket.cancelled = True
            if ticket.recording is None:  # it has not begun: there is no forward to wait for
                ticket.stream.put(Cancelled(ticket.id))

    def finish(self, run: str) -> None:
        ticket = self._tickets.get(run)
        if ticket is not None:
            ticket.finishing = True

    def forget(self, run: str) -> None:
        with self._wake:
            ticket = self._tickets.pop(run, None)
        if ticket is not None:
            ticket.cancelled = True
            if ticket.recording is None:
                ticket.stream.put(Cancelled(ticket.id))
            self._post(lambda worker: worker.forget(ticket))

    # A run's recording

    def levels(self, run: str) -> tuple[Level, ...]:
        recording = self._ticket(run).recording
        return tuple(recording.levels) if recording else ()

    def frame(self, run: str, step: int, what: What, picture: int = 0) -> bytes:
        return png(self._frames(run, what, picture, [step])[0])

    def film(self, run: str, kind: Film, what: What = "x0", picture: int = 0) -> bytes:
        if kind not in film.FILMS:
            raise NotFound(f"A film is one of {', '.join(film.FILMS)}.")
        filming = self._ticket(run).filming
        if not filming.acquire(blocking=False):
            raise Busy("A film of this run is being made already; wait for it.")
        try:
            frames = self._frames(run, what, picture, None)
            return film.FILMS[kind]([film.enlarged(frame, what) for frame in frames])
        finally:
            filming.release()

    def _frames(
        self, run: str, what: What, picture: int, steps: list[int] | None
    ) -> list[np.ndarray]:
        if what not in ("xt", "x0", "eps"):
            raise NotFound("A frame shows xt, x0 or eps.")
        ticket = self._ticket(run)
        frames = self._job("frames", ticket, what, picture, steps)
        if not frames:
            raise NotFound("This run has recorded no step yet.")
        return frames

    # What a model saw

    def known(self, model: str, prompt: str) -> Known:
        self._catalog[model]
        offers.check_prompt(prompt)
        return self._job("known", model, prompting.choose(prompt, 0, presets.word_lists()))

    def tokens(self, model: str, prompt: str) -> Tokens | None:
        self._catalog[model]
        offers.check_prompt(prompt)
        return self._job("tokens", model, prompting.choose(prompt, 0, presets.word_lists()))

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify_all()
            thread = self._thread
        if thread is None:
            self._settle(None)
        elif thread is not threading.current_thread():
            thread.join(timeout=60)

    # Between the callers' threads and the worker's

    def _ticket(self, run: str) -> Ticket:
        ticket = self._tickets.get(run)
        if ticket is None:
            raise NotFound("This run is no longer kept; run its recipe again.")
        return ticket

    def _forget_oldest(self) -> None:
        """Keep what finished runs hold within bounds; the newest of them stays."""
        done = [ticket for ticket in self._tickets.values() if ticket.over]
        held = sum(ticket.stream.bytes for ticket in done)
        while len(done) > KEPT_RUNS or (len(done) > 1 and held > KEPT_BYTES):
            ticket = done.pop(0)
            held -= ticket.stream.bytes
            del self._tickets[ticket.id]
            self._inbox.append(lambda worker, ticket=ticket: worker.forget(ticket))

    def _finished(self) -> tuple[contract.Finished, ...]:
        with self._wake:
            ends = [ticket.stream.last for ticket in self._tickets.values()]
        return tuple(end for end in ends if isinstance(end, contract.Finished))

    def _check_open(self) -> None:
        if self._broken:
            raise StudioError(self._broken)
        if self._closed:
            raise StudioError("The engine was stopped.")

    def _post(self, what: Callable[[Worker], None]) -> None:
        with self._wake:
            self._inbox.append(what)
            self._wake.notify_all()

    def _job(self, question: str, *about: Any) -> Any:
        """The answer of one of `questions`."""

        def make(worker: Worker) -> Job:
            from studio.engine import questions

            return getattr(questions, question)(worker, *about)

        return answer(self._start_job(make))

    def _start_job(self, make: Callable[[Worker], Job]) -> Future:
        future: Future = Future()

        def job(worker: Worker) -> Job:
            return (yield from make(worker))  # what fails in here is the asker's to hear

        with self._wake:
            self._check_open()
            self._asked.add(future)
            self._inbox.append(lambda worker: worker.jobs.add(job(worker), future))
            self._wake.notify_all()
        future.add_done_callback(self._asked.discard)
        self.start(warm=False)
        return future

    # The worker's thread

    def _work(self, warm: bool) -> None:
        try:
            from studio.engine import questions
            from studio.engine.worker import Worker

            worker = Worker(self._settings, self._catalog, self.holdings.audience, self._looks)
        except StudioError as error:
            log.error("the engine did not start: %s", error)
            self._settle(str(error))
            return
        except Exception:
            log.exception("the engine did not start")
            self._settle("The engine did not start; the server's log says why.")
            return
        self._worker = worker
        if warm:
            worker.jobs.add(questions.warm(worker), Future())
        while self._take(worker):
            try:
                worker.turn()
            except Exception:
                log.exception("a turn failed")
                worker.abandon("Something went wrong in the engine; try it again.")
        worker.abandon(None)
        self._settle(None)

    def _take(self, worker: Worker) -> bool:
        """Do what was posted, waiting while there is nothing else to do; False when closed."""
        with self._wake:
            while not (self._inbox or worker.busy or self._closed):
                self._wake.wait()
            posted = list(self._inbox)
            self._inbox.clear()
        for what in posted:
            try:
                what(worker)
            except Exception:
                log.exception("what was asked of the worker failed")
        return not self._closed

    def _settle(self, broken: str | None) -> None:
        """Nothing more will run: say so to whoever waits. `broken` is why, unless it was closed."""
        with self._wake:
            self._broken, self._closed = broken, True
            tickets, asked = list(self._tickets.values()), list(self._asked)
            self._inbox.clear()
        for ticket in tickets:  # those that are over take no further event
            ticket.stream.put(Failed(ticket.id, broken) if broken else Cancelled(ticket.id))
        for future in asked:
            settle(future, StudioError(broken or "The engine was stopped."))


def _admit(ticket: Ticket, worker: Worker) -> None:
    worker.admit(ticket)
