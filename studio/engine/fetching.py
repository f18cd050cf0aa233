"""Fetching from the hub beside everything else: a thread of its own, one fetch at a time.

No torch: the device's thread has nothing to do with it.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from studio.checkpoints.hub import Hub
from studio.errors import BadRequest, Busy, Stopped, StudioError
from studio.holding import Fetched, Fetching, Offer
from studio.settings import Settings

PAUSE = 0.1  # seconds between two reports
SETTINGS = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}


class Fetches:
    """The hub's verbs, from any thread; refused where a setting does not allow them."""

    def __init__(self, settings: Settings, arrived: Callable[[], None]) -> None:
        """`arrived` is called when there is a new checkpoint."""
        self.allowed, self._arrived = settings.allow_hub, arrived
        self._hub = Hub(settings.hub_folder, settings.hub_bytes)
        self._lock = threading.Lock()
        if settings.allow_hub:  # before the library reads them; who has set them is obeyed
            for name, value in SETTINGS.items():
                os.environ.setdefault(name, value)

    def offer(self, repo: str, revision: str = "") -> Offer:
        """What the hub says of `owner/name`."""
        self._check()
        found = self._hub.find(repo, revision)
        return Offer(
            repo=repo,
            revision=found.revision,
            files=len(found.files),
            bytes=found.bytes,
            here=self._hub.here(found),
            free=self._hub.free(),
            licence=found.licence,
            gated=found.gated,
            id=found.id,
        )

    def fetch(self, repo: str, revision: str = "") -> Iterator[Fetching | Fetched]:
        """Fetch it; closing the iterator stops it, and the next one goes on from there."""
        self._check()
        if not self._lock.acquire(blocking=False):
            raise Busy("Another checkpoint is being fetched; wait for it.")
        out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        gone = threading.Event()
        work = threading.Thread(target=self._work, args=(repo, revision, out, gone), daemon=True)
        work.start()

        def read() -> Iterator[Fetching | Fetched]:
            try:
                while True:
                    told = out.get()
                    if isinstance(told, BaseException):
                        raise told
                    yield told
                    if isinstance(told, Fetched):
                        return
            finally:
                gone.set()

        return read()

    def _work(
        self, repo: str, revision: str, out: queue.SimpleQueue[Any], gone: threading.Event
    ) -> None:
        start, last = time.monotonic(), 0.0

        def tell(file: str, done: int, total: int) -> None:
            nonlocal last
            if gone.is_set():
                raise Stopped(f"Fetching {repo} was stopped; ask again, and it goes on.")
            if time.monotonic() - last >= PAUSE or done == total:
                last = time.monotonic()
                out.put(Fetching(repo, file, done, total))

        try:
            found = self._hub.find(repo, revision)
            self._hub.fetch(found, tell)
            self._arrived()
            out.put(Fetched(repo, found.id, found.bytes, time.monotonic() - start))
        except StudioError as error:
            out.put(error)
        except Exception as error:
            out.put(StudioError(f"{repo} could not be fetched; the server's log says why."))
            raise error
        finally:
            self._lock.release()

    def _check(self) -> None:
        if not self.allowed:
            raise BadRequest(
                "This studio fetches nothing from the hub; start it with --allow-hub to let it."
            )
