"""A checkpoint's files verified without loading it: classes, names and shapes, then every value.

The networks are outlined on no device, so what does not fit is known before a weight is read;
then each tensor is read once, looked at, and let go.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from studio.checkpoints import describe, encoders, official_dit, weights
from studio.checkpoints.allowed import ALLOWED, LIBRARIES
from studio.checkpoints.describe import Part
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.dit import configuration
from studio.checkpoints.load import reason
from studio.checkpoints.meter import Meter
from studio.checkpoints.single import SingleFile
from studio.errors import BadCheckpoint

log = logging.getLogger(__name__)
TOLD = 8  # faults of one kind that are listed


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: faults, for which it would not load, and harmless notes."""

    faults: tuple[str, ...]
    notes: tuple[str, ...]


def check(entry: Entry, meter: Meter) -> Generator[None, None, Report]:
    """Look at every file of a checkpoint; yields between two tensors."""
    faults: list[str] = []
    notes: list[str] = []
    try:
        parts = describe.parts(entry)
    except BadCheckpoint as error:
        return Report((str(error),), ())
    if entry.folder.is_file():
        meter(f"comparing {entry.id}", None)
        faults += _single(entry)
        yield
    for part in parts:
        meter(f"comparing {part.name}", None)
        if part.kind == describe.AUTHORS:
            found, said = _authors(entry, part)
            faults, notes = faults + found[:TOLD], notes + said
            continue
        try:
            found, said = fits(entry, part)
        except BadCheckpoint as error:
            found, said = [str(error)], []
        faults, notes = faults + found[:TOLD], notes + said
        yield
    seen = set()
    for part in parts:
        for header in part.headers:
            if header.file in seen:
                continue
            seen.add(header.file)
            meter(f"reading {part.name}", None)
            broken = yield from _values(entry, part, header, meter)
            faults += broken[:TOLD]
    return Report(tuple(faults), tuple(notes))


def _single(entry: Entry) -> list[str]:
    """Faults of a single file's names and shapes, turned into the library's."""
    try:
        return [fault for fault in SingleFile(entry, "cpu").compare().values() if fault]
    except BadCheckpoint as error:
        return [str(error)]
    except Exception as error:  # the library's conversion raises of every kind on odd names
        log.info("%s is not compared", entry.id, exc_info=error)
        return [f"{entry.id} does not load: {reason(error, entry.folder)}."]


def _authors(entry: Entry, part: Part) -> tuple[list[str], list[str]]:
    """Faults and notes about DiT under its authors' names: each shape, as its size implies it."""
    (header,) = part.headers
    name = f"{entry.id}/{header.file.name}"
    try:
        wanted = official_dit.shapes(configuration(entry.folder, header))
    except BadCheckpoint as error:
        return [str(error)], []
    faults = [
        weights.misshapen(name, stored, shape, wanted[stored])
        for stored, shape in header.shapes.items()
        if stored in wanted and shape != wanted[stored]
    ]
    faults += [
        weights.misstored(name, stored, dtype)
        for stored, dtype in header.dtypes.items()
        if stored in wanted and dtype not in weights.DTYPES
    ]
    left = sorted(set(wanted) - set(header.shapes))
    if left:
        faults.append(weights.lacks(name, left, len(wanted)))
    return faults, _unplaced(name, [n for n in header.shapes if n not in wanted])


def _unplaced(name: str, extra: list[str]) -> list[str]:
    """A note about stored tensors that no network takes; none where there are none."""
    if not extra:
        return []
    return [
        f"{name} holds {len(extra)} tensors that its configuration has no place for, the "
        f"first of them {extra[0][:80]}."
    ]


def fits(entry: Entry, part: Part) -> tuple[list[str], list[str]]:
    """Faults and notes about one part's names, shapes and dtypes against its configuration."""
    folder = entry.folder / part.name
    if not part.headers or not (folder / "config.json").is_file():
        return [], []
    name = f"{entry.id}/{part.name}"
    kind = known_class(part.name, part.kind, name)
    if kind is None:
        return [], [f"{name} is not read by this studio."]
    config = read_json(folder / "config.json")
    if kind.__module__.startswith("transformers"):
        return encoders.compare(kind, config, part.headers, name), []
    made, places = weights.sketch(kind, folder, part.headers)
    faults = weights.compare(made, part.headers, places, name)
    return faults, _unplaced(name, weights.unexpected(made, places))


def known_class(part: str, kind: str, name: str) -> Any:
    """The class of a part, if the list has it; None for a part that is never loaded."""
    if part not in ALLOWED:
        return None
    if kind not in ALLOWED[part]:
        raise BadCheckpoint(f"{name} is of class {kind[:60]!r}, which this studio does not open.")
    for library in LIBRARIES:
        found = getattr(importlib.import_module(library), kind, None)
        if found is not None:
            return found
    raise BadCheckpoint(f"{name} is of class {kind[:60]!r}, which is not installed here.")


def _values(
    entry: Entry, part: Part, header: Any, meter: Meter
) -> Generator[None, None, list[str]]:
    faults = []
    try:
        for stored, tensor in weights.tensors(header, lambda n: meter.read(part.name, n)):
            if not weights.finite(tensor):
                faults.append(f"{entry.id}/{part.name}: {stored[:80]} holds NaN or infinity.")
            yield
    except BadCheckpoint as error:
        faults.append(str(error))
    return faults
