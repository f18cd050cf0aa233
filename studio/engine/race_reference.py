"""The flow's own end under each guidance: walked with many evaluations, judged by half as many.

Runs that end at their state, a few at a time, on the batcher that serves everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from studio.checkpoints.checkpoint import Checkpoint
from studio.contract import Finished, Step, View
from studio.engine import decode
from studio.engine.race_kept import Kept, Walked, key
from studio.engine.ticket import Ticket
from studio.engine.worker import Worker
from studio.errors import StudioError
from studio.imaging.encode import png
from studio.metrics.distance import rmse
from studio.racing import Measuring, RaceRequest, Reference
from studio.recipe import Guidance, Request

SAMPLER = "unipc"  # of those that were tried it comes nearest at equal evaluations
WAVE = 8  # runs that go at once
UNWATCHED = View("off")
OFTEN = 0.1  # seconds between two words about progress

Make = Callable[..., Ticket]


@dataclass(slots=True)
class Progress:
    """Says how many of all evaluations are done, not too often."""

    put: Callable[[Measuring], object]
    race: str
    stopped: Callable[[], bool]
    total: int = 0
    before: int = 0  # done in earlier walks
    due: float = 0.0

    def say(self, doing: str, done: int) -> None:
        if time.perf_counter() >= self.due:
            self.put(Measuring(self.race, doing, self.before + done, self.total))
            self.due = time.perf_counter() + OFTEN


def walk(
    worker: Worker, probes: Sequence[Ticket], doing: str, progress: Progress
) -> Generator[None, None, list[Finished | None]]:
    """Run all of these, a few at a time; None for one that failed or was stopped."""
    waiting, going = list(probes), list[Ticket]()
    over = 0
    try:
        while (waiting or going) and not progress.stopped():
            while waiting and len(going) < WAVE:
                going.append(waiting.pop(0))
                worker.admit(going[-1])
            yield
            for ticket in [t for t in going if t.over]:
                going.remove(ticket)
                over += _done(ticket)
            progress.say(doing, over + sum(map(_done, going)))
    finally:
        for ticket in going:
            worker.forget(ticket)
    progress.before += over
    lasts = [ticket.stream.last for ticket in probes]
    return [last if isinstance(last, Finished) else None for last in lasts]


def _done(ticket: Ticket) -> int:
    newest = ticket.stream.newest
    return newest.nfe if isinstance(newest, Step | Finished) else 0


def probe(make: Make, request: Request) -> Ticket:
    """A ticket for a run that ends at its state and leaves no recording."""
    return make(request, UNWATCHED, wants="state")


def spacing(checkpoint: Checkpoint) -> str:
    """The reference visits the path's own times from full noise to the cleanest."""
    return "karras" if checkpoint.path.kind == "ve" else "linspace"


def steps(checkpoint: Checkpoint, nfe: int) -> int:
    """As many steps as the path has times for."""
    return nfe if checkpoint.path.kind == "ve" else min(nfe, int(checkpoint.path.T))


def unknown(
    request: RaceRequest, checkpoint: Checkpoint, make: Make, kept: Kept
) -> list[tuple[Guidance, str, Ticket, Ticket]]:
    """The references that must be walked, one for each guidance among the lanes: its key, and
    two runs, of which the second has half the evaluations."""
    found = []
    for guidance in dict.fromkeys(lane.guidance for lane in request.lanes):
        name = key(request.base, guidance, request.reference)
        if kept.get(name) is None:
            whole = steps(checkpoint, request.reference)
            full, half = (
                probe(make, request.base.with_(sampler=SAMPLER, steps=count, eta=0.0,
                                               spacing=spacing(checkpoint), guidance=guidance))
                for count in (whole, max(1, whole // 2))
            )  # fmt: skip
            found.append((guidance, name, full, half))
    return found


def references(
    worker: Worker, request: RaceRequest, make: Make, kept: Kept, progress: Progress
) -> Generator[None, None, dict[Guidance, Walked]]:
    """The references of all guidances among the lanes, walked or remembered.

    Raises StudioError when a walk failed; less than all when it was stopped.
    """
    if not request.reference:
        return {}
    checkpoint = worker.checkpoint(request.base.model)
    asked = unknown(request, checkpoint, make, kept)
    probes = [ticket for *_, full, half in asked for ticket in (full, half)]
    progress.total += sum(ticket.request.steps for ticket in probes)
    ends = yield from walk(worker, probes, "walking the reference", progress)
    if progress.stopped():
        return {}
    if None in ends:
        raise StudioError("The reference could not be walked; take other guidance or steps.")
    fresh = set()
    for guidance, name, full, half in asked:
        kept.put(name, _walked(checkpoint, guidance, full, half))
        fresh.add(name)
        yield
    found = {}
    for guidance in dict.fromkeys(lane.guidance for lane in request.lanes):
        name = key(request.base, guidance, request.reference)
        walked = kept.get(name, cached=name not in fresh)
        if walked is not None:
            found[guidance] = walked
    return found


def _walked(checkpoint: Checkpoint, guidance: Guidance, full: Ticket, half: Ticket) -> Walked:
    assert full.state is not None and half.state is not None  # both have finished
    picture = decoded(checkpoint, full.state[0])
    said = Reference(
        guidance=guidance,
        sampler=SAMPLER,
        spacing=full.request.spacing,
        nfe=full.request.steps,
        error=rmse(full.state, half.state),
        png=png(picture),
    )
    return Walked(said, full.state[0], picture)


def decoded(checkpoint: Checkpoint, state: np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 of a state (C, h, w)."""
    return decode.picture(checkpoint, torch.from_numpy(state)[None].to(checkpoint.device))
