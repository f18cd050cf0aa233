"""The loop of the thread that owns the device: every forward, decode and frame happens here.

It turns runs and jobs one small piece at a time, so that nobody waits longer than one forward,
one decode or one load. A run that fails ends alone.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Generator, Sequence

import torch

from studio.checkpoints.catalog import Catalog
from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.meter import Meter
from studio.checkpoints.tokens import Counter
from studio.contract import Cancelled, Decoding, Event, Failed, Finished, Loading
from studio.engine import batcher, decode
from studio.engine.audience import Audience
from studio.engine.jobs import Jobs, short
from studio.engine.looks import Looks
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import even, rows
from studio.engine.run import Run
from studio.engine.start import start
from studio.engine.steering import guides
from studio.engine.ticket import Ticket
from studio.errors import StudioError
from studio.extras.shelf import Shelf as Extras
from studio.holding import Reading
from studio.imaging.encode import pixels_sha256, png
from studio.settings import Settings

log = logging.getLogger(__name__)
QUANTUM = 10  # runs keep the device this many times what loading another checkpoint takes


class Worker:
    """All runs between their first and last event."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        audience: Audience | None = None,
        looks: Looks | None = None,
    ) -> None:
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.residents = Residents(settings, catalog, pick_device(settings.device))
        self.residents.used = self._used
        self.audience = audience or Audience()
        self.looks = looks or Looks(Extras(settings.extras))
        self.shelf = Shelf(settings.record_bytes)
        self.jobs = Jobs()
        self.waiting: list[Ticket] = []
        self.running: list[Run] = []
        self.decoding: list[tuple[Run, list]] = []
        self.between: dict[str, Run] = {}  # by ticket: they wait for their second checkpoint
        self.doing = "ready"
        self.counters: dict[str, Counter | None] = {}  # tokenizers of what is not loaded
        self._rows = settings.batch_rows
        self._limits: dict[str, int] = {}  # rows that fitted, where the device once had no room
        self._loaded = 0.0  # when the last checkpoint was

    @property
    def busy(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.waiting or self.running or self.decoding or self.jobs)

    def admit(self, ticket: Ticket) -> None:
        """Take a new run; it starts level with the least served of those that go."""
        ticket.served = min((run.ticket.served for run in self.running), default=0.0)
        self.waiting.append(ticket)

    def turn(self) -> None:
        """One small piece of everything that is due."""
        self._sweep()
        self.jobs.piece()
        ticket = self._due()
        if ticket is not None:
            self._begin(ticket)
            while ticket.together and (after := self._due()) and after.together == ticket.together:
                self._begin(after)
        elif self.decoding:
            self._decode()
        if self.running:
            self._denoise()
        self._sweep()
        self.doing = "denoising" if self.running else "ready"

    def abandon(self, reason: str | None) -> None:
        """End every run and job: as failed with this reason, or as cancelled without one."""
        for ticket in self._tickets():
            steps = len(ticket.recording.levels) if ticket.recording else 0
            failed = Failed(ticket.id, reason) if reason else None
            self._end(ticket, failed or Cancelled(ticket.id, steps))
        self.jobs.stop()

    def forget(self, ticket: Ticket) -> None:
        """Free a run's recording, ending the run if it still goes."""
        ticket.cancelled = True
        self._sweep()
        if ticket.recording is not None:
            self.shelf.drop(ticket.recording)

    def checkpoint(self, id: str, wanted: bool = False) -> Checkpoint:
        """A loaded checkpoint; everybody who waits for it is told how far it is.

        One that is `wanted` by runs and watchers alone is given up when they all have left.
        """
        if id in self.residents:
            return self.residents.get(id, lambda doing, share: None)
        self.doing = f"loading {id}"

        def tell(doing: str, component: str, done: int, total: int) -> None:
            share = done / total if total else None
            self.audience.tell(id, Reading(id, doing, component, done, total, share))
            for ticket in [t for t in self._tickets() if t.model == id]:
                ticket.stream.put(Loading(ticket.id, id, doing, share))

        def unwanted() -> bool:
            runs = (t for t in self._tickets() if t.model == id and not t.cancelled)
            return wanted and not self.audience.waits(id) and not any(runs)

        total = self.residents.catalog[id].bytes
        checkpoint = self.residents.get(id, Meter(id, total, tell, unwanted))
        self._loaded = time.monotonic()
        return checkpoint

    def uses(self, id: str) -> int:
        """How many runs use a checkpoint or wait for it."""
        return sum(ticket.model == id for ticket in self._tickets())

    def _used(self) -> set[str]:
        """Those that runs hold: one that left and was loaded again would be there twice."""
        runs = [*self.running, *(run for run, _ in self.decoding)]
        return {run.checkpoint.entry.id for run in runs}

    # A run's stages

    def _due(self) -> Ticket | None:
        """A waiting run: of a loaded checkpoint at once, of another when the device is free."""
        for ticket in self.waiting:
            if ticket.model in self.residents:
                return ticket
        if not self.waiting:
            return None
        cost = self.residents.seconds(self.waiting[0].model)
        free = not self.running and not self.decoding
        kept = time.monotonic() - self._loaded >= QUANTUM * cost
        return self.waiting[0] if free or kept else None

    def _begin(self, ticket: Ticket) -> None:
        request = ticket.request
        with self._blamed(ticket):
            checkpoint = self.checkpoint(ticket.model, wanted=True)
            self.waiting.remove(ticket)
            if ticket.cancelled:
                return self._end(ticket, Cancelled(ticket.id))
            adapters = () if ticket.refining else request.adapters
            wears = self.residents.wardrobe.wears(checkpoint, adapters)
            conditions = {
                name: self.residents.condition(checkpoint, asked, wears)
                for name, asked in even(wears.spelled(rows(request)), checkpoint).items()
            }
            painter = self.residents.painter(ticket.model)
            checkpoint, painter = self.residents.wardrobe.dressed(
                checkpoint, painter, request.vae, ticket.view.tiny
            )
            if ticket.refining:
                run = self.between.pop(ticket.id)
                run.refine(checkpoint, painter, conditions)
                return self.running.append(run)
            ticket.recording = self.shelf.new()
            if ticket.wants == "state":
                self.shelf.drop(ticket.recording)
            begun = start(request, checkpoint, ticket.pictures)
            networks = {c.model: self.residents.control(c.model) for c in request.controls}
            steered = guides(request, ticket.pictures, checkpoint, networks, self.looks)
            self.running.append(
                Run(ticket, checkpoint, painter, conditions, begun, steered, wears)
            )

    def _denoise(self) -> None:
        group = batcher.choose(self.running, self._limit)
        for run in group:
            if run.ticket.finishing:
                run.narrow()
        if len(group) == 1:
            with self._blamed(group[0].ticket):
                self._ask(group)
            return
        try:
            return self._ask(group)
        except Exception as error:
            log.warning("a shared forward failed (%s); each of its runs goes alone", short(error))
        for run in group:
            with self._blamed(run.ticket):
                self._ask([run])

    def _limit(self, run: Run) -> int:
        return self._limits.get(run.checkpoint.entry.id, self._rows)

    def _ask(self, group: Sequence[Run]) -> None:
        answers, seconds, limit = batcher.ask(group, self._limit(group[0]))
        if limit < self._limit(group[0]):
            self._limits[group[0].checkpoint.entry.id] = limit
        if answers is None:
            return
        rows = sum(len(raw) for raw, _ in answers)
        for run, (raw, names) in zip(group, answers, strict=True):
            share = seconds * len(raw) / rows
            run.ticket.served += share
            if not run.ticket.cancelled:
                with self._blamed(run.ticket):
                    self._take(run, raw, names, 1000 * share, len(group) - 1)

    def _take(self, run: Run, raw: torch.Tensor, names: tuple, ms: float, others: int) -> None:
        step = run.take(raw, names, ms, others)
        self.shelf.fit(run.recording)
        if step is not None:
            run.ticket.stream.put(step)
        if run.ask is None:
            self.running.remove(run)
            if run.end is not None:
                return self._hand_over(run)
            if run.ticket.wants != "picture":
                run.ticket.state = run.state.float().cpu().numpy()
            if run.ticket.wants == "state":
                return self._finish(run, [])
            self.decoding.append((run, []))
            run.ticket.stream.put(Decoding(run.ticket.id))

    def _hand_over(self, run: Run) -> None:
        """The run waits, before all that have not begun, until its second checkpoint is there."""
        run.ticket.refining = True
        self.between[run.ticket.id] = run
        self.waiting.insert(0, run.ticket)

    def _decode(self) -> None:
        """One picture of the run that has waited longest."""
        run, done = self.decoding.pop(0)
        with self._blamed(run.ticket):
            if run.ticket.finishing:
                run.narrow()
            if len(done) < run.live:
                made = decode.picture(run.checkpoint, run.state[len(done)][None])
                done.append(run.start.paste(made) if run.start else made)
            if len(done) < run.live:
                self.decoding.append((run, done))
            else:
                self._finish(run, done[: run.live])

    def _finish(self, run: Run, pictures: list) -> None:
        request = run.ticket.request
        finished = Finished(
            run=run.ticket.id,
            request=request,
            pictures=tuple(map(png, pictures)),
            pixels_sha256=tuple(map(pixels_sha256, pictures)),
            xt_sha256=run.xt_sha256,
            nfe=run.nfe,
            rows=run.rows,
            seconds=time.perf_counter() - run.began,
            step_ms=tuple(run.step_ms),
            steps_recorded=len(run.recording.levels),
            preview=run.preview_card(pictures[0]) if pictures else run.card,
            notes=run.checkpoint.notes(request.prompt) + run.said,
            stopped_early=run.live < request.count,
        )
        self._end(run.ticket, finished)

    # Ending

    def _tickets(self) -> list[Ticket]:
        runs = [*self.running, *(run for run, _ in self.decoding)]
        return [*self.waiting, *(run.ticket for run in runs)]

    def _sweep(self) -> None:
        """Drop what was cancelled."""
        for ticket in [t for t in self._tickets() if t.cancelled]:
            steps = len(ticket.recording.levels) if ticket.recording else 0
            self._end(ticket, Cancelled(ticket.id, steps))

    def _end(self, ticket: Ticket, event: Event) -> None:
        """A run's last event; nothing of it stays but its recording."""
        self.waiting = [t for t in self.waiting if t is not ticket]
        self.between.pop(ticket.id, None)
        self.running = [run for run in self.running if run.ticket is not ticket]
        self.decoding = [entry for entry in self.decoding if entry[0].ticket is not ticket]
        if ticket.recording is not None:
            ticket.recording.finished = True
        ticket.stream.put(event)

    @contextlib.contextmanager
    def _blamed(self, ticket: Ticket) -> Generator[None, None, None]:
        """What goes wrong in here ends this run, with a sentence, and not the loop."""
        try:
            yield
            return
        except StudioError as error:
            message = str(error)
        except Exception as error:
            if batcher.out_of_memory(error):
                message = "The device had no room for this; make the picture smaller."
            else:
                log.exception("run %s failed", ticket.id[:6])
                message = "This run failed, and the server's log says why; try it again."
        self._end(ticket, Failed(ticket.id, message))


def pick_device(wanted: str) -> str:
    """What "auto" means here: CUDA, then Apple's MPS, then the CPU. Raises StudioError."""
    kind, _, number = wanted.partition(":")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise StudioError(f"This machine has no device {wanted}; start with --device auto.")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise StudioError("This machine has no device mps; start with --device auto.")
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
