"""The checkpoints as the Models tab asks for them; see `holding.Holdings`.

This half knows no torch: what needs it is a job on the worker's thread. Long answers are
streamed; closing one ends its job.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from studio import holding
from studio.checkpoints import describe
from studio.checkpoints.catalog import Catalog, scan
from studio.checkpoints.entry import Entry, read_json
from studio.engine.audience import Audience
from studio.engine.fetching import Fetches
from studio.engine.jobs import Job, answer, late
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.engine.residents import Residents
    from studio.engine.worker import Worker

Make = Callable[["Worker"], Job]
PATIENCE = 600.0  # seconds without a word from a load; a slow disk reads a piece in less
END = object()


class Stock:
    """The engine's verbs for checkpoints, from any thread."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        start: Callable[[Make], Future],
        residents: Callable[[], Residents | None],
    ) -> None:
        """`start` gives a job to the thread that owns the device."""
        self._settings, self._catalog, self._start = settings, catalog, start
        self._residents = residents
        self.audience = Audience()
        self.hub = settings.allow_hub
        self._fetches = Fetches(settings, lambda: catalog.renew(scan(*folders(settings))))

    def details(self, id: str) -> holding.Details:
        entry = self._catalog[id]
        parts, residents = describe.parts(entry), self._residents()
        seconds = residents.seconds(id) if residents else 0.0
        return holding.Details(
            id=id,
            title=entry.title,
            family=entry.family,
            knows=entry.knows,
            layout="file" if entry.folder.is_file() else "folder",
            source=self._source(entry),
            components=tuple(
                holding.Component(p.name, p.kind, p.parameters, p.dtype, p.bytes) for p in parts
            ),
            parameters=entry.parameters,
            dtype=parts[0].dtype if parts else "",
            bytes=entry.bytes,
            size=entry.size,
            latent=entry.latent,
            prediction=entry.prediction,
            scheduler=describe.scheduler(entry),
            licence=entry.licence,
            card=entry.card,
            loaded=residents is not None and id in residents,
            load_seconds=seconds or None,
        )

    def _source(self, entry: Entry) -> str:
        file = entry.folder / "hub.json"
        if not file.is_file() or not entry.folder.is_relative_to(self._settings.hub_folder):
            return "models"
        said = read_json(file)
        return f"hub {str(said.get('repo'))[:200]}@{str(said.get('revision'))[:40]}"

    def refused(self) -> tuple[holding.Refused, ...]:
        return tuple(holding.Refused(id, why) for id, why in self._catalog.refused.items())

    def rescan(self) -> int:
        self._catalog.renew(scan(*folders(self._settings)))
        answer(self._start(_forgive))
        return len(self._catalog.entries)

    def fit(self, id: str) -> holding.Fit:
        self._catalog[id]
        return self._job("fit", id)

    def load(self, id: str) -> Iterator[holding.Reading | holding.Loaded]:
        self._catalog[id]
        return self._watched(id, "load", id)

    def check(self, id: str) -> Iterator[holding.Reading | holding.Checked]:
        if id not in self._catalog.entries and id in self._catalog.refused:
            return iter((holding.Checked(id, False, (self._catalog.refused[id],), (), 0, 0.0),))
        self._catalog[id]
        return self._watched(f"check {id}", "check", id)

    def unload(self, id: str) -> None:
        self._catalog[id]
        self._job("unload", id)

    def memory(self) -> holding.Memory:
        return self._job("memory")

    def offer(self, repo: str, revision: str = "") -> holding.Offer:
        return self._fetches.offer(repo, revision)

    def fetch(
        self, repo: str, revision: str = ""
    ) -> Iterator[holding.Fetching | holding.Fetched]:
        return self._fetches.fetch(repo, revision)

    def _job(self, question: str, *about: Any) -> Any:
        return answer(self._start(_make(question, *about)))

    def _watched(self, topic: str, question: str, *about: Any) -> Iterator[Any]:
        """What is told of a topic while a job goes, then what the job returns."""
        watcher = self.audience.join(topic)
        try:
            future = self._start(_make(question, *about, watcher))
        except BaseException:
            self.audience.leave(watcher)
            raise
        future.add_done_callback(lambda _: watcher.out.put(END))

        def read() -> Iterator[Any]:
            try:
                while (told := watcher.out.get(timeout=PATIENCE)) is not END:
                    yield told
                yield answer(future)
            except queue.Empty:
                raise late(future) from None
            finally:
                self.audience.leave(watcher)
                future.cancel()

        return read()


def folders(settings: Settings) -> tuple[Any, ...]:
    """The folders in which checkpoints lie, the first preferred."""
    return settings.models, settings.more_models, settings.hub_folder


def _make(question: str, *about: Any) -> Make:
    def make(worker: Worker) -> Job:
        from studio.engine import keeping

        return (yield from getattr(keeping, question)(worker, *about))

    return make


def _forgive(worker: Worker) -> Job:
    worker.residents.forgive()
    yield
