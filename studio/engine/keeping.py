"""What the worker does about checkpoints beside running them: load, unload, check, count bytes.

Each is a job: a generator that gives the runs their turn at every yield.
"""

from __future__ import annotations

import time

from studio import holding
from studio.checkpoints import checks
from studio.checkpoints.meter import Meter
from studio.engine import machine
from studio.engine.audience import Watcher
from studio.engine.jobs import Job
from studio.engine.worker import Worker
from studio.errors import Busy, Stopped


def load(worker: Worker, id: str, watcher: Watcher) -> Job:
    """Load a checkpoint, unless whoever asked has left."""
    if watcher.gone:
        raise Stopped(f"Loading {id} was stopped.")
    here = id in worker.residents
    checkpoint = worker.checkpoint(id, wanted=True)
    yield
    return holding.Loaded(id, checkpoint.bytes, 0.0 if here else worker.residents.seconds(id))


def unload(worker: Worker, id: str) -> Job:
    """Free a checkpoint that no run uses."""
    runs = worker.uses(id)
    if runs:
        raise Busy(f"{id} is in use by {runs} of the runs; unload it when they are done.")
    worker.residents.drop(id)
    machine.release(worker.residents.place)
    yield


def memory(worker: Worker) -> Job:
    """What is held, and what there is."""
    residents = worker.residents
    held = tuple(
        holding.Held(
            id=id,
            title=residents.catalog.entries[id].title if id in residents.catalog.entries else id,
            bytes=residents.bytes(id),
            seconds=residents.seconds(id),
            idle_s=residents.idle(id),
            runs=worker.uses(id),
        )
        for id in residents.ids()
    )
    yield
    place = residents.place
    free, total = machine.room(place)
    return holding.Memory(
        device=str(place),
        device_name=machine.name(place),
        dtype=residents.probe.dtype,
        attention=residents.probe.attention,
        probe=residents.probe.times,
        held=held,
        budget=residents.budget,
        rss=machine.rss(),
        free=free,
        total=total,
    )


def fit(worker: Worker, id: str) -> Job:
    """Whether a checkpoint would fit now."""
    plan = worker.residents.plan(id)
    yield
    return plan


def check(worker: Worker, id: str, watcher: Watcher) -> Job:
    """Verify a checkpoint's files, some tensors a turn."""
    entry, start = worker.residents.catalog[id], time.perf_counter()

    def tell(doing: str, component: str, done: int, total: int) -> None:
        share = done / total if total else None
        watcher.out.put(holding.Reading(id, doing, component, done, total, share))

    meter = Meter(id, entry.bytes, tell, lambda: watcher.gone)
    report = yield from checks.check(entry, meter)
    seconds = time.perf_counter() - start
    return holding.Checked(id, not report.faults, report.faults, report.notes, meter.done, seconds)
