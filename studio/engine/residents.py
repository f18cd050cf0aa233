"""What is on the device between runs: loaded checkpoints, their painters, encoded prompts."""

from __future__ import annotations

from collections import OrderedDict

from studio.checkpoints.cache import Cache
from studio.checkpoints.catalog import Catalog
from studio.checkpoints.checkpoint import Checkpoint, Progress
from studio.checkpoints.conditions import Asked, Condition
from studio.checkpoints.load import load
from studio.engine.previews import Painter
from studio.errors import BadCheckpoint
from studio.settings import Settings

KEPT_PROMPTS = 512


class Residents:
    """Belongs to the worker thread."""

    def __init__(self, settings: Settings, catalog: Catalog, device: str) -> None:
        self.catalog, self.device = catalog, device
        self._cache = Cache(settings.cache_bytes)
        self._painters: dict[str, Painter] = {}
        self._damaged: dict[str, str] = {}  # what was said when they did not load
        self._prompts: OrderedDict[tuple[str, Asked], Condition] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return id in self._cache

    def ids(self) -> tuple[str, ...]:
        """The loaded checkpoints."""
        return self._cache.ids()

    def seconds(self, id: str) -> float:
        """What loading this checkpoint took the last time; 0 if it never was."""
        return self._cache.seconds.get(id, 0.0)

    def get(self, id: str, progress: Progress) -> Checkpoint:
        """The checkpoint, loaded if need be. Raises NotFound, BadCheckpoint.

        One that did not load is not read again until the next start.
        """
        if id in self._damaged:
            raise BadCheckpoint(self._damaged[id])
        try:
            checkpoint = self._cache.get(id, lambda: self._load(id, progress))
        except BadCheckpoint as error:
            self._damaged[id] = str(error)
            raise
        for gone in set(self._painters) - set(self._cache.ids()):
            del self._painters[gone]
            for key in [key for key in self._prompts if key[0] == gone]:
                del self._prompts[key]
        return checkpoint

    def _load(self, id: str, progress: Progress) -> Checkpoint:
        entry, entries = self.catalog[id], self.catalog.entries
        others = {other: entries[other] for other in entry.needs if other in entries}
        checkpoint = load(entry, self.device, progress, others)
        progress("fitting the previews", 0.9)
        self._painters[id] = Painter(checkpoint)
        return checkpoint

    def painter(self, id: str) -> Painter:
        """The painter of a loaded checkpoint."""
        return self._painters[id]

    def condition(self, checkpoint: Checkpoint, asked: Asked) -> Condition:
        """The encoded row. Each is encoded by itself: the same words, the same numbers."""
        key = (checkpoint.entry.id, asked)
        if key not in self._prompts:
            self._prompts[key] = checkpoint.encode(asked)
            while len(self._prompts) > KEPT_PROMPTS:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(key)
        return self._prompts[key]
