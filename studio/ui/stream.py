"""From the engine's events to what the page shows, and from an error to its sentence.

The one place where a StudioError meets a visitor. A message to the stage is a plain dict with the
run's id and its number in this tab, whole in itself: the page may miss any of them but the last.
"""

from __future__ import annotations

import base64
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from studio import contract as c
from studio.errors import BadPicture, StudioError
from studio.imaging.pictures import MAX_FILE
from studio.ui import words

LIVE_PER_SECOND = 25.0
EVERY_S = 0.08  # between two messages of many runs at once
_END: Any = object()


def live(
    events: Iterator[c.Event],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[c.Event]:
    """The events, with at most LIVE_PER_SECOND Steps: it waits before it asks for the next one.

    While it waits the engine keeps the newest few Steps and drops the others, so what is shown lags
    by no more than those few; after a run's last Step it does not wait.
    """
    for event in events:
        began = clock()
        yield event
        if isinstance(event, c.Step) and event.index < event.total - 1:
            sleep(max(0.0, began + 1 / LIVE_PER_SECOND - clock()))


def batches(
    events: Iterator[Any], every: float = EVERY_S, clock: Callable = time.monotonic
) -> Iterator[list[Any]]:
    """The events in the order they came, as many at once as `every` seconds bring.

    A thread of its own reads them, so that nothing is late and no step is dropped; it ends with
    their source, which whoever closes this iterator has to cancel. Raises what reading raised.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()

    def read() -> None:
        try:
            for event in events:
                waiting.put(event)
        except Exception as error:
            waiting.put(error)
        waiting.put(_END)

    threading.Thread(target=read, name="events", daemon=True).start()
    ended, due = False, 0.0
    while not ended:
        batch = [waiting.get()]
        time.sleep(max(0.0, due - clock()))
        while not waiting.empty():
            batch.append(waiting.get())
        due = clock() + every
        ended = batch[-1] is _END
        for event in batch:
            if isinstance(event, Exception):
                raise event
        if told := [event for event in batch if event is not _END]:
            yield told


def to_stage(event: c.Event, levels: tuple[c.Level, ...] = ()) -> dict[str, Any]:
    """One event as the stage's message; `levels` of every recorded step go with an ended run."""
    kind = type(event).__name__.lower()
    return {"kind": kind, "run": event.run, **_BODIES[type(event)](event, levels)}


def jpeg(data: bytes) -> str:
    """A data URI, so that no preview is ever written to a disk."""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def png(data: bytes) -> str:
    """A data URI of PNG bytes."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def unpacked(source: Any) -> bytes:
    """The bytes of a data URI that a page sent as a picture; raises BadPicture."""
    head, _, data = str(source).partition(",")
    try:
        if not head.startswith("data:") or len(data) > MAX_FILE * 4 // 3 + 4:
            raise ValueError
        return base64.b64decode(data, validate=True)
    except ValueError:  # of which what base64 raises is a kind
        said = "This file is not a PNG, JPEG or WebP picture; choose one of those."
        raise BadPicture(said) from None


def problem(error: Exception) -> dict:
    """The message for the fixed area. What is no StudioError is a bug: it is logged whole."""
    if isinstance(error, StudioError):
        return words.from_sentence(str(error))
    logging.getLogger(__name__).error("unexpected error", exc_info=error)
    return words.message("err_bug", "error")


def _queued(event: c.Queued, _levels: tuple) -> dict:
    return {"ahead": event.ahead}


def _loading(event: c.Loading, _levels: tuple) -> dict:
    return {"model": event.model, "doing": event.doing, "share": event.share}


def _step(event: c.Step, _levels: tuple) -> dict:
    return {
        "index": event.index,
        "total": event.total,
        "nfe": event.nfe,
        "rows": event.rows,
        "level": _level(event.level),
        "ms": event.step_ms,
        "left": event.left_s,
        "shared": event.shared_with,
        "xt": [jpeg(p) for p in event.xt],
        "x0": [jpeg(p) for p in event.x0],
        "cond": [jpeg(p) for p in event.cond],
        "uncond": [jpeg(p) for p in event.uncond],
        "delta": event.delta,
    }


def _nothing(_event: c.Event, _levels: tuple) -> dict:
    return {}


def _finished(event: c.Finished, levels: tuple) -> dict:
    return {
        "pictures": [png(p) for p in event.pictures],
        "request": asdict(event.request),
        "nfe": event.nfe,
        "rows": event.rows,
        "seconds": event.seconds,
        "step_ms": list(event.step_ms),
        "recorded": event.steps_recorded,
        "levels": [_level(level) for level in levels],
        "card": asdict(event.preview),
        "notes": [words.from_sentence(note) for note in event.notes],
        "early": event.stopped_early,
        "noise": event.xt_sha256,
    }


def _cancelled(event: c.Cancelled, levels: tuple) -> dict:
    return {"recorded": event.steps_recorded, "levels": [_level(level) for level in levels]}


def _failed(event: c.Failed, _levels: tuple) -> dict:
    return {"message": words.from_sentence(event.message)}


def _level(level: c.Level) -> dict:
    """JSON has no infinity: at either end log-SNR is null, and the share says at which."""
    logsnr = level.logsnr if math.isfinite(level.logsnr) else None
    return {"t": level.t, "share": level.share, "logsnr": logsnr, "step": level.step}


_BODIES: dict[type, Callable[[Any, tuple], dict]] = {
    c.Queued: _queued,
    c.Loading: _loading,
    c.Step: _step,
    c.Decoding: _nothing,
    c.Finished: _finished,
    c.Cancelled: _cancelled,
    c.Failed: _failed,
}
