"""What is on the device between runs: loaded checkpoints, their painters, encoded prompts.

They stay under a byte budget, and the one used longest ago leaves first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection

from studio.checkpoints import budget
from studio.checkpoints.cache import Cache
from studio.checkpoints.catalog import Catalog
from studio.checkpoints.checkpoint import Checkpoint, Progress
from studio.checkpoints.conditions import Asked, Condition
from studio.checkpoints.entry import Entry
from studio.checkpoints.families import controlnet
from studio.checkpoints.families.controlnet import Control
from studio.checkpoints.load import load, offline
from studio.checkpoints.meter import Meter
from studio.checkpoints.place import Place
from studio.controls import MAX_CONTROLS
from studio.engine import machine
from studio.engine.previews import Painter
from studio.engine.wardrobe import NOTHING, Wardrobe, Wears
from studio.errors import BadCheckpoint, OutOfMemory
from studio.holding import Fit
from studio.settings import Settings

KEPT_PROMPTS = 512


class Residents:
    """Belongs to the worker thread."""

    def __init__(self, settings: Settings, catalog: Catalog, device: str) -> None:
        offline()
        self.catalog = catalog
        self._settings = settings
        self.probe = machine.probe(device, settings.dtype, settings.attention)
        machine.use(self.probe.attention)
        self.place = Place(device, self.probe.dtype, settings.offload, settings.quantise)
        self.used: Callable[[], Collection[str]] = tuple  # those that runs hold stay
        self._cache = Cache(settings.cache_bytes, lambda: self.used())
        self._painters: dict[str, Painter] = {}
        self._damaged: dict[str, str] = {}  # what was said when they did not load
        self._prompts: OrderedDict[tuple[str, Asked, tuple], Condition] = OrderedDict()
        self._controls: OrderedDict[str, Control] = OrderedDict()
        self.wardrobe = Wardrobe(catalog, settings.cache_bytes // 4)

    def __contains__(self, id: str) -> bool:
        return id in self._cache

    def ids(self) -> tuple[str, ...]:
        """The loaded checkpoints."""
        return self._cache.ids()

    def seconds(self, id: str) -> float:
        """What loading this checkpoint took the last time; 0 if it never was."""
        return self._cache.seconds.get(id, 0.0)

    @property
    def budget(self) -> int:
        """Bytes that the loaded checkpoints may take together."""
        return self._cache.budget

    def bytes(self, id: str) -> int:
        """What a loaded checkpoint takes."""
        return self._cache.size(id)

    def idle(self, id: str) -> float:
        """Seconds since a loaded checkpoint was last asked for."""
        return self._cache.idle(id)

    def drop(self, id: str) -> None:
        """Let a checkpoint go; idempotent."""
        self._cache.drop(id)
        self._sweep()

    def forgive(self) -> None:
        """Try again what did not load: the files may be others now."""
        self._damaged.clear()
        self.wardrobe.forget()
        for key in [key for key in self._prompts if key[2]]:
            del self._prompts[key]
        for id in self.ids():
            if id not in self.catalog.entries:
                self.drop(id)

    def plan(self, id: str) -> Fit:
        """Whether a checkpoint would fit now, and which would go for it."""
        entry = self.catalog[id]
        where = self._where(entry)
        need = budget.need(entry, where)
        free, _ = machine.room(where)
        held = [(other, self.bytes(other)) for other in self.ids() if other != id]
        free += self.bytes(id) if id in self else 0
        going = set(self._cache.leaving(0 if id in self else need.weights)) - {id}
        whole = need.weights + need.activations
        lacking = int(whole / (1 - budget.SLACK)) - free - sum(b for o, b in held if o in going)
        stay = going | set(self.used())
        going |= set(budget.leaving([pair for pair in held if pair[0] not in stay], lacking))
        room = free + sum(b for other, b in held if other in going)
        way = budget.plan(need, room, where)
        return Fit(
            id=id,
            device=str(where),
            dtype=where.dtype,
            weights=need.weights,
            activations=need.activations,
            free=room,
            leaves=tuple(other for other, _ in held if other in going),
            plan=way,  # type: ignore[arg-type]
            sentence=budget.sentence(entry, need, room, where, way),
        )

    def _where(self, entry: Entry) -> Place:
        return budget.place_for(entry, self.place, self._settings.dtype == "auto")

    def get(self, id: str, progress: Progress) -> Checkpoint:
        """The checkpoint, loaded if need be. Raises NotFound, BadCheckpoint, OutOfMemory, Stopped.

        One that did not load is not read again until the folders are looked at again. What is
        loaded stays as it was when a load fails or is stopped; only where memory does not suffice
        for both do others leave first.
        """
        if id in self._damaged:
            raise BadCheckpoint(self._damaged[id])
        try:
            checkpoint = self._cache.get(id, lambda: self._load(id, progress))
        except BadCheckpoint as error:
            self._damaged[id] = str(error)
            raise
        self._sweep()
        return checkpoint

    def _sweep(self) -> None:
        """Nothing stays of checkpoints that left."""
        self.wardrobe.keep(self._cache.ids())
        for gone in set(self._painters) - set(self._cache.ids()):
            del self._painters[gone]
            for key in [key for key in self._prompts if key[0] == gone]:
                del self._prompts[key]

    def _load(self, id: str, progress: Progress) -> Checkpoint:
        entry, entries = self.catalog[id], self.catalog.entries
        others = {other: entries[other] for other in entry.needs if other in entries}
        fit = self.plan(id)
        while fit.plan != "none" and self._make_room(fit):
            fit = self.plan(id)  # anew: what went may have freed less than it took
        if fit.plan == "none":
            raise OutOfMemory(fit.sentence)
        offload = {"whole": "none", "model offload": "model", "sequential offload": "sequential"}
        read = progress.read if isinstance(progress, Meter) else lambda component, count: None
        where = self._where(entry).with_(offload=offload[fit.plan], read=read)
        checkpoint = load(entry, where, progress, others)
        progress("fitting the previews", 0.9)
        self._painters[id] = Painter(checkpoint)
        return checkpoint

    def _make_room(self, fit: Fit) -> bool:
        """Let those go without which there is no memory to load; whether any went.

        The rest leave afterwards.
        """
        gone = False
        for id in fit.leaves:
            free, _ = machine.room(self.place)
            if free * (1 - budget.SLACK) >= fit.weights + fit.activations:
                break
            self.drop(id)
            machine.release(self.place)
            gone = True
        return gone

    def control(self, id: str) -> Control:
        """A control's network, loaded if need be. Raises NotFound, BadCheckpoint.

        Beyond those of one run they take at most a quarter of the budget.
        """
        if id not in self._controls:
            self._controls[id] = controlnet.load(self.catalog.control(id), self.place)
        self._controls.move_to_end(id)
        while len(self._controls) > MAX_CONTROLS and self._controls_bytes > self.budget // 4:
            self._controls.popitem(last=False)
        return self._controls[id]

    @property
    def _controls_bytes(self) -> int:
        return sum(control.bytes for control in self._controls.values())

    def painter(self, id: str) -> Painter:
        """The painter of a loaded checkpoint."""
        return self._painters[id]

    def condition(
        self, checkpoint: Checkpoint, asked: Asked, wears: Wears = NOTHING
    ) -> Condition:
        """The encoded row. Each is encoded by itself: the same words, the same numbers."""
        key = (checkpoint.entry.id, asked, wears.key)
        if key not in self._prompts:
            self._prompts[key] = wears.under(1, lambda: checkpoint.encode(asked))
            while len(self._prompts) > KEPT_PROMPTS:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end(key)
        return self._prompts[key]
