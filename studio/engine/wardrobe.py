"""What loaded checkpoints can wear: adapters, other autoencoders. Those used longest ago leave.

It belongs to the worker thread. Adapters change no weight of the base, so nothing is switched
between two runs, and both can be in one forward.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from studio.adapting import MAX_ADAPTERS, Adapter
from studio.checkpoints import autoencoders
from studio.checkpoints.adapted import Adapted, Attached, spelled
from studio.checkpoints.adapted import Worn as Row
from studio.checkpoints.autoencoders import Worn
from studio.checkpoints.catalog import Catalog
from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Asked
from studio.engine.previews import Painter

T = TypeVar("T")


@dataclass(eq=False, frozen=True, slots=True)
class Wears:
    """What one run has on: its checkpoint's places and what stands there, with weights."""

    adapted: Adapted | None = None
    worn: Row = ()

    @property
    def key(self) -> tuple[tuple[str, float], ...]:
        """Ids and weights: equal ones give equal numbers."""
        return tuple((attached.entry.id, weight) for attached, weight in self.worn)

    def spelled(self, asked: Mapping[str, Asked]) -> dict[str, Asked]:
        """Rows with the words of the inversions turned into what their encoders know."""
        return {
            name: replace(row, text=spelled(row.text, self.worn)) for name, row in asked.items()
        }

    def under(self, rows: int, call: Callable[[], T]) -> T:
        """The call's answer with all of this on each of its rows."""
        if self.adapted is None:
            return call()
        with self.adapted.wearing([self.worn] * rows):
            return call()


NOTHING = Wears()


class Wardrobe:
    """Adapters and autoencoders by checkpoint, under `bytes` beyond those of one run."""

    def __init__(self, catalog: Catalog, bytes: int) -> None:
        self._catalog, self._bytes = catalog, bytes
        self._adapted: dict[str, Adapted] = {}
        self._attached: OrderedDict[tuple[str, str], Attached] = OrderedDict()
        self._made: OrderedDict[tuple[str, str], Any] = OrderedDict()  # autoencoders
        self._painters: OrderedDict[tuple[str, str, str], tuple[Checkpoint, Painter]] = (
            OrderedDict()
        )

    def wears(self, checkpoint: Checkpoint, adapters: Sequence[Adapter]) -> Wears:
        """The adapters at this checkpoint, read if need be. Raises NotFound, BadCheckpoint.

        One of weight 0 is left out.
        """
        acting = [adapter for adapter in adapters if adapter.weight]
        if not acting:
            return NOTHING
        id = checkpoint.entry.id
        if id not in self._adapted:
            self._adapted[id] = Adapted(checkpoint)
        adapted = self._adapted[id]
        worn = tuple((self._attach(adapted, id, a.id), a.weight) for a in acting)
        return Wears(adapted, worn)

    def _attach(self, adapted: Adapted, id: str, adapter: str) -> Attached:
        key = (id, adapter)
        if key not in self._attached:
            self._attached[key] = adapted.attach(self._catalog.adapter(adapter))
        self._attached.move_to_end(key)
        while len(self._attached) > MAX_ADAPTERS and self._held > self._bytes:
            self._attached.popitem(last=False)
        return self._attached[key]

    @property
    def _held(self) -> int:
        return sum(attached.bytes for attached in self._attached.values())

    def dressed(
        self, checkpoint: Checkpoint, painter: Painter, vae: str, tiny: str
    ) -> tuple[Checkpoint, Painter]:
        """The checkpoint and its painter with another autoencoder; as they are without one."""
        if not vae and not tiny:
            return checkpoint, painter
        key = (checkpoint.entry.id, vae, tiny)
        if key not in self._painters:
            worn = Worn(
                checkpoint,
                self._autoencoder(checkpoint, vae) if vae else None,
                self._autoencoder(checkpoint, tiny) if tiny else None,
            )
            other = cast(Checkpoint, worn)
            self._painters[key] = (other, Painter(other))
            while len(self._painters) > MAX_ADAPTERS:
                self._painters.popitem(last=False)
        self._painters.move_to_end(key)
        return self._painters[key]

    def _autoencoder(self, checkpoint: Checkpoint, id: str) -> Any:
        key = (checkpoint.entry.id, id)
        if key not in self._made:
            entry = self._catalog.adapter(id)
            read = autoencoders.autoencoder if entry.kind == "vae" else autoencoders.tiny_decoder
            self._made[key] = read(entry, checkpoint)
        self._made.move_to_end(key)
        while len(self._made) > 2 and sum(map(autoencoders.size, self._made.values())) > (
            self._bytes
        ):
            self._made.popitem(last=False)
        return self._made[key]

    def keep(self, loaded: Sequence[str]) -> None:
        """Nothing stays of checkpoints that left."""
        tables: tuple[Any, ...] = (self._adapted, self._attached, self._made, self._painters)
        for held in tables:
            for key in list(held):
                if (key if isinstance(key, str) else key[0]) not in loaded:
                    del held[key]

    def forget(self) -> None:
        """Read everything again when it is next asked for: the files may be others now."""
        self._attached.clear()
        self._made.clear()
        self._painters.clear()
