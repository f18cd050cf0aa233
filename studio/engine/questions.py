"""What the worker is asked beside runs: frames of a recording, and what a checkpoint knows.

Each is a job: a generator that gives the runs their turn at every yield.
"""

from __future__ import annotations

import logging

import torch

from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.tokens import Counter
from studio.contract import Known, What
from studio.engine import decode
from studio.engine.jobs import Job, short
from studio.engine.ticket import Ticket
from studio.engine.worker import Worker
from studio.imaging import film

log = logging.getLogger(__name__)


def frames(
    worker: Worker, ticket: Ticket, what: What, picture: int, steps: list[int] | None
) -> Job:
    """The frames of some steps of a run, or those of its film: a list of (H, W, 3) uint8."""
    checkpoint = worker.checkpoint(ticket.request.model)
    yield
    if ticket.recording is None:  # it has not begun
        return []
    if steps is None:
        steps = decode.spread(len(ticket.recording.levels), film.MOST)
    painter = worker.residents.painter(checkpoint.entry.id)
    wardrobe = worker.residents.wardrobe
    _, painter = wardrobe.dressed(checkpoint, painter, ticket.request.vae, ticket.view.tiny)
    return (yield from decode.frames(painter, ticket.recording, what, picture, steps))


def known(worker: Worker, model: str, prompt: str) -> Job:
    """How near a prompt is to what a checkpoint saw."""
    checkpoint = worker.checkpoint(model)
    yield
    return Known(checkpoint.known(prompt), checkpoint.nearest(prompt))


def tokens(worker: Worker, model: str, prompt: str) -> Job:
    """How long a prompt is for a checkpoint; its tokenizer alone is read where it is not loaded."""
    residents = worker.residents
    if model in residents:
        text = getattr(worker.checkpoint(model), "text", None)
        return text.tokens(prompt) if hasattr(text, "tokens") else None
    yield
    if model not in worker.counters:
        try:
            worker.counters[model] = Counter(residents.catalog[model])
        except Exception as error:
            log.info("no tokens are counted for %s: %s", model, short(error))
            worker.counters[model] = None
    counter = worker.counters[model]
    return counter(prompt) if counter else None


def warm(worker: Worker) -> Job:
    """Load the default checkpoint and let it answer once: the first visitor need not wait."""
    try:
        checkpoint = worker.checkpoint(worker.residents.catalog.default)
        yield
        condition = worker.residents.condition(checkpoint, Asked())
        x = torch.zeros(2, *checkpoint.entry.latent, device=checkpoint.device)
        checkpoint.predict(x, [checkpoint.path.T] * 2, stack([condition] * 2))
        decode.picture(checkpoint, x[:1])
        yield
        checkpoint.nearest("apple")
    except Exception as error:
        log.warning("the default checkpoint was not warmed: %s", short(error))
