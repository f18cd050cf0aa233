"""Looking inside a checkpoint's networks, from any thread; see `insides.Insides`.

This half knows no torch: it checks what is asked, cuts the picture in the caller's thread, and
starts a job on the worker's.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from studio import insides
from studio.checkpoints.catalog import Catalog
from studio.checkpoints.entry import Entry
from studio.engine.jobs import Job, answer
from studio.errors import BadRequest
from studio.imaging.fit import cut
from studio.imaging.pictures import open_picture
from studio.ranges import whole

if TYPE_CHECKING:
    from studio.engine.worker import Worker

MAX_POINTS = 65


class Insides:
    """The engine's verbs that look inside a checkpoint."""

    def __init__(self, start: Callable[[Callable[[Worker], Job]], Future], catalog: Catalog):
        """`start` gives a job to the thread that owns the device."""
        self._start, self._catalog = start, catalog

    def round_trip(self, id: str, picture: bytes) -> insides.RoundTrip:
        entry = self._catalog[id]
        if entry.latent[1] == entry.size:
            raise BadRequest(
                f"{entry.title} works on pixels: it has no autoencoder to send a picture through."
            )
        return self._job("lab_vae", "round_trip", id, _square(entry, picture))

    def forward(
        self, id: str, picture: bytes, share: float, prompt: str = "", seed: int = 0
    ) -> insides.Forward:
        insides.check(share, prompt, seed)
        entry = self._with_network(id)
        rgb = _square(entry, picture)
        return self._job("lab_blocks", "forward", id, rgb, float(share), prompt, seed)

    def gates(self, id: str, points: int = 17) -> insides.Gates:
        whole("number of points", points, 2, MAX_POINTS)
        self._with_network(id)
        return self._job("lab_blocks", "gates", id, points)

    def attention(
        self, id: str, picture: bytes, share: float, prompt: str, seed: int = 0
    ) -> insides.Attention:
        insides.check(share, prompt, seed)
        entry = self._with_network(id)
        if not prompt.strip():
            raise BadRequest("Write a prompt first; its words are looked for in the picture.")
        rgb = _square(entry, picture)
        return self._job("lab_attention", "attention", id, rgb, float(share), prompt, seed)

    def _with_network(self, id: str) -> Entry:
        entry = self._catalog[id]
        if not entry.trained or not entry.parameters:
            raise BadRequest(f"{entry.title} is a formula: it has no network to look into.")
        return entry

    def _job(self, module: str, question: str, *about: Any) -> Any:
        def make(worker: Worker) -> Job:
            ask = getattr(import_module(f"studio.engine.{module}"), question)
            return (yield from ask(worker, *about))

        return answer(self._start(make))


def _square(entry: Entry, picture: bytes) -> np.ndarray:
    """The middle square of the picture at the checkpoint's size, (H, W, 3) uint8."""
    return cut(open_picture(picture), entry.size, entry.size)
