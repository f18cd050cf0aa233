"""A lab that works at once in the caller's thread, on pixels: for pages without an engine."""

from __future__ import annotations

from concurrent.futures import Future

from studio.checkpoints.catalog import Catalog
from studio.engine.grid import Grids
from studio.engine.lab import Lab


def lab() -> Lab:
    """The real lab, on a worker that has no checkpoints."""
    return Lab(_now, Catalog())


def grids(engine) -> Grids:
    """The real grids, on any engine that runs requests."""
    sized = lambda request: request.with_(  # noqa: E731
        width=request.width or 128, height=request.height or 128
    )
    return Grids(engine, sized, lambda: ())


def _now(make) -> Future:
    future: Future = Future()
    job = make(None)
    try:
        while True:
            next(job)
    except StopIteration as end:
        future.set_result(end.value)
    except Exception as error:
        future.set_exception(error)
    return future
