"""Small ways to run a request and see what came of it."""

import io

import numpy as np
from PIL import Image

from studio.contract import LAST, Finished, Guidance, Request

GUIDED = Guidance(scale=3.0)


def request(model="random", **changes):
    usual = {"model": model, "prompt": "red disc", "steps": 5, "guidance": GUIDED}
    return Request(**usual | changes)


def events(engine, run):
    return list(engine.events(run, timeout=60))


def finish(engine, asked, view=None) -> Finished:
    """Run it to its end, which must be a good one."""
    last = events(engine, engine.submit(asked, view))[-1]
    assert isinstance(last, Finished), last
    return last


def last(engine, run):
    end = events(engine, run)[-1]
    assert isinstance(end, LAST)
    return end


def rgb(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def pictures(finished: Finished) -> np.ndarray:
    """(B, H, W, 3) as signed integers, so that differences do not wrap."""
    return np.stack([rgb(p) for p in finished.pictures]).astype(int)
