"""Which checkpoints there are: one scan of the models folder.

Names are opaque: an id is a folder's name, looked up in the scan and never made into a path.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from studio.checkpoints.entry import Entry
from studio.checkpoints.inspect import inspect
from studio.errors import BadCheckpoint, NotFound

log = logging.getLogger(__name__)
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Ids to entries, in the order in which they are offered, and why some folders are not."""

    entries: dict[str, Entry] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, id: str) -> Entry:
        """The entry of an id; raises BadCheckpoint with the reason, or NotFound."""
        if id in self.entries:
            return self.entries[id]
        if id in self.refused:
            raise BadCheckpoint(self.refused[id])
        raise NotFound(f"There is no checkpoint “{id[:60]}” here; choose one from the list.")

    @property
    def default(self) -> str:
        """The id to open with: the one marked so, else the first; raises NotFound if none."""
        if not self.entries:
            raise NotFound("There is no checkpoint in the models folder; put one there.")
        marked = [id for id, entry in self.entries.items() if entry.preferred]
        return (marked or list(self.entries))[0]


def scan(models: Path) -> Catalog:
    """Everything below `models`, preferred first, then trained ones, then by name.

    Raises BadCheckpoint when the folder itself cannot be read.
    """
    entries, refused = {}, {}
    try:
        folders = sorted(models.iterdir()) if models.is_dir() else []
    except OSError:
        raise BadCheckpoint("The models folder cannot be read; check its permissions.") from None
    for folder in folders:
        if not folder.is_dir() or not ID.fullmatch(folder.name):
            continue
        if not folder.resolve().is_relative_to(models.resolve()):
            refused[folder.name] = f"{folder.name} is a link that leads out of the models folder."
            continue
        try:
            entries[folder.name] = inspect(folder)
        except (BadCheckpoint, OSError) as error:
            cannot = f"{folder.name} cannot be read; check its files' permissions."
            refused[folder.name] = str(error) if isinstance(error, BadCheckpoint) else cannot
            log.warning("%s is not offered: %s", folder.name, error)
    order = sorted(entries.values(), key=lambda e: (not e.preferred, not e.trained, e.id))
    return Catalog({entry.id: entry for entry in order}, refused)
