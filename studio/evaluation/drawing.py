"""Pictures of requests, drawn by the studio's own engine and kept in a folder.

A picture's file is named by its request and the checkpoint's weights, so that whoever measures
again, or goes on after an interruption, draws only what is not there.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from studio.contract import Cancelled, Engine, Failed, Finished, Request, View
from studio.errors import StudioError
from studio.evaluation.figures import Figure, median
from studio.imaging.pictures import open_picture
from studio.store.files import write_atomic

TOGETHER = 12  # runs that share their forwards
Say = Callable[[str], None]


def weights_of(*folders: Path) -> str:
    """A short name of the weights in these folders and all below them."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".safetensors", ".json", ".png") and "images" not in path.parts:
                if path.name in ("eval.json", "studio.json"):
                    continue
                whole.update(path.relative_to(folder).as_posix().encode())
                whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


class Easel:
    """Draws requests of one checkpoint, with what steers it."""

    def __init__(self, engine: Engine, folder: Path, weights: str, say: Say) -> None:
        self.engine, self.folder, self.weights, self.say = engine, folder, weights, say

    def draw(self, requests: Sequence[Request], what: str) -> list[np.ndarray]:
        """Pictures (H, W, 3) uint8, one a request. Raises StudioError."""
        files = [self._file(request) for request in requests]
        missing = {f: r for f, r in zip(files, requests, strict=True) if not f.is_file()}
        self.folder.mkdir(parents=True, exist_ok=True)
        todo = list(missing.items())
        for first in range(0, len(todo), TOGETHER):
            part = todo[first : first + TOGETHER]
            runs = [self.engine.submit(request, View(preview="off")) for _, request in part]
            for (file, _), run in zip(part, runs, strict=True):
                write_atomic(file, wait(self.engine, run).pictures[0])
                self.engine.forget(run)
            self.say(f"{what}: {first + len(part)} of {len(todo)}")
        return [np.asarray(open_picture(file)) for file in files]

    def timed(self, request: Request, count: int) -> Figure:
        """Seconds a picture, each drawn alone from its own noise, after one that is not counted.

        Never read from the folder. Beside the clock's seconds the processor's: on a machine that
        does other work they say what the first would be without it, with one thread.
        """
        clock, busy = [], []
        for number in range(count + 1):
            one = request.with_(seed=request.seed + number, alone=True)
            before = time.process_time()
            run = self.engine.submit(one, View(preview="off"))
            clock.append(wait(self.engine, run).seconds)
            busy.append(time.process_time() - before)
            self.engine.forget(run)
        more = {"least": min(clock[1:]), "most": max(clock[1:])}
        more["processor"] = float(np.median(busy[1:]))
        more["load"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return median(clock[1:], **more)

    def _file(self, request: Request) -> Path:
        name = hashlib.sha256(f"{self.weights}/{request.to_json()}".encode()).hexdigest()
        return self.folder / f"{name[:32]}.png"


def wait(engine: Engine, run: str) -> Finished:
    """A run's end; raises StudioError where it has none."""
    last: object = None
    for event in engine.events(run):
        last = event
    if isinstance(last, Finished):
        return last
    if isinstance(last, Failed):
        raise StudioError(last.message)
    raise StudioError("The run was stopped." if isinstance(last, Cancelled) else "No picture came.")


def stacked(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """(N, H, W, 3) uint8."""
    return np.stack([np.ascontiguousarray(picture) for picture in pictures])
