"""Which checkpoints there are: one scan of the models folder.

Names are opaque: an id is a folder's name, looked up in the scan and never made into a path.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from studio.checkpoints import adapters, controlled, headers
from studio.checkpoints.adapters import AdapterEntry
from studio.checkpoints.controlled import ControlEntry
from studio.checkpoints.entry import Entry
from studio.checkpoints.headers import PICKLED, check_whole_download
from studio.checkpoints.inspect import inspect
from studio.errors import BadCheckpoint, NotFound

log = logging.getLogger(__name__)
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(slots=True)
class Catalog:
    """Ids to entries, in the order in which they are offered, and why some folders are not.

    One object for the life of a studio: `renew` replaces what it says, for everybody at once.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    controls: dict[str, ControlEntry] = field(default_factory=dict)
    adapters: dict[str, AdapterEntry] = field(default_factory=dict)

    def adapter(self, id: str) -> AdapterEntry:
        """The entry of an adapter; raises BadCheckpoint with the reason, or NotFound."""
        if id in self.adapters:
            return self.adapters[id]
        if id in self.refused:
            raise BadCheckpoint(self.refused[id])
        raise NotFound(f"There is no adapter “{id[:60]}” here; choose one from the list.")

    def control(self, id: str) -> ControlEntry:
        """The entry of a control network; raises BadCheckpoint with the reason, or NotFound."""
        if id in self.controls:
            return self.controls[id]
        if id in self.refused:
            raise BadCheckpoint(self.refused[id])
        raise NotFound(f"There is no control “{id[:60]}” here; choose one from the list.")

    def __getitem__(self, id: str) -> Entry:
        """The entry of an id; raises BadCheckpoint with the reason, or NotFound."""
        if id in self.entries:
            return self.entries[id]
        if id in self.refused:
            raise BadCheckpoint(self.refused[id])
        raise NotFound(f"There is no checkpoint “{id[:60]}” here; choose one from the list.")

    def renew(self, scanned: Catalog) -> None:
        """Say what a later scan found."""
        self.entries, self.refused = scanned.entries, scanned.refused
        self.controls, self.adapters = scanned.controls, scanned.adapters

    @property
    def default(self) -> str:
        """The id to open with: the one marked so, else the first; raises NotFound if none."""
        if not self.entries:
            raise NotFound("There is no checkpoint in the models folder; put one there.")
        marked = [id for id, entry in self.entries.items() if entry.preferred]
        return (marked or list(self.entries))[0]


def scan(*folders: Path) -> Catalog:
    """Everything in these folders, preferred first, then trained ones, then by name.

    Of two with one id the first counts. Raises BadCheckpoint when a folder cannot be read.
    """
    entries: dict[str, Entry] = {}
    refused: dict[str, str] = {}
    controls: dict[str, ControlEntry] = {}
    adapted: dict[str, AdapterEntry] = {}
    for models in folders:
        for path in _listed(models):
            id = path.stem if path.is_file() else path.name
            if any(id in held for held in (entries, refused, controls, adapted)):
                log.warning("%s is in two folders; the first is offered", id)
                continue
            try:
                _check_here(path, models)
                if controlled.is_control(path):
                    controls[id] = controlled.describe(path)
                elif (found := adapters.describe(path)) is not None:
                    adapted[id] = found
                else:
                    entries[id] = _entry(path, models)
            except Exception as error:  # whatever a stranger's file brings about: it alone is lost
                refused[id] = _refusal(path, error)
    order = sorted(entries.values(), key=lambda e: (not e.preferred, not e.trained, e.id))
    return Catalog({entry.id: entry for entry in order}, refused, controls, adapted)


def only(path: Path) -> Catalog:
    """The catalog of one file or folder, wherever it lies."""
    id = path.stem if path.is_file() else path.name
    try:
        return Catalog({id: _entry(path, path.parent)})
    except Exception as error:
        return Catalog({}, {id: _refusal(path, error)})


def _refusal(path: Path, error: Exception) -> str:
    """What is said of a path that is not offered; what nobody foresaw is logged whole."""
    foreseen = isinstance(error, BadCheckpoint | OSError)
    log.warning("%s is not offered: %s", path.name, error, exc_info=None if foreseen else error)
    if isinstance(error, BadCheckpoint):
        return str(error)
    return f"{path.name} cannot be read; check its files' permissions."


def _listed(models: Path) -> list[Path]:
    """The folders and weight files directly in a models folder, by name."""
    try:
        found = sorted(models.iterdir()) if models.is_dir() else []
    except OSError:
        raise BadCheckpoint("The models folder cannot be read; check its permissions.") from None
    return [path for path in found if ID.fullmatch(path.name) and _may_be_one(path)]


def _may_be_one(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() in (".safetensors", *PICKLED)


def _check_here(path: Path, models: Path) -> None:
    if not path.resolve().is_relative_to(models.resolve()):
        raise BadCheckpoint(f"{path.name} is a link that leads out of the models folder.")


def _entry(path: Path, models: Path) -> Entry:
    _check_here(path, models)
    if path.is_file():
        if path.suffix.lower() in PICKLED:
            raise BadCheckpoint(
                f"{path.name} is pickled, and this studio opens safetensors only; convert it first."
            )
        headers.read(path)
    elif not (path / "model_index.json").is_file():
        check_whole_download(path)
    return inspect(path)
