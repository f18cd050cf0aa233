"""Text encoders of the transformers library: compared with their files, read, checked, held.

That library renames and drops prefixes while it reads, and draws what a file lacks at random; so
names are compared by their ends beforehand, and what it had to draw is an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.checkpoints import bounds, headers, held
from studio.checkpoints.entry import read_json
from studio.checkpoints.headers import Header
from studio.checkpoints.place import place
from studio.checkpoints.weights import DTYPES, check_finite, lacks, misshapen, misstored
from studio.errors import BadCheckpoint

log = logging.getLogger(__name__)
UNUSED = ("pooler.",)  # of a BERT whose states alone are read; often left out of the file


def encoder(kind: Any, folder: Path, device: str, dtype: torch.dtype | None = None) -> nn.Module:
    """An encoder of class `kind` from its folder, for inference, checked for NaN.

    `device` may be a Place; `dtype` overrides its own. Raises BadCheckpoint with a sentence.
    """
    name, at = f"{folder.parent.name}/{folder.name}", place(device)
    found = headers.weights(folder)
    faults = compare(kind, read_json(folder / "config.json"), found, name)
    if faults:
        raise BadCheckpoint(faults[0])
    made, told = kind.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype or held.dtype_for(at, folder.name),
        output_loading_info=True,
    )
    missing = sorted(k for k in told["missing_keys"] if not k.startswith(UNUSED))
    if missing:
        raise BadCheckpoint(lacks(name, missing, len(list(made.parameters()))))
    for header in found:
        at.read(folder.name, header.bytes)
    for parameter, p in made.named_parameters():
        check_finite(p, name, parameter)
    return held.hold(made, at, folder.name)


def compare(kind: Any, config: dict[str, Any], found: Iterable[Header], name: str) -> list[str]:
    """What does not fit, as sentences; no weight is read. Raises BadCheckpoint for no network."""
    bounds.check(config, name)
    try:
        with torch.device("meta"):
            made = kind(kind.config_class.from_dict(config))
    except Exception as error:  # a configuration can be wrong in any way
        log.info("%s: no network from its configuration: %s", name, error)
        raise BadCheckpoint(f"{name} has a configuration that makes no network.") from None
    wanted = {n: tuple(p.shape) for n, p in made.named_parameters()}
    faults, here = [], set()
    for header in found:
        for stored, shape in header.shapes.items():
            own = next((n for n in _endings(stored) if n in wanted), None)
            if own is None:
                continue
            here.add(own)
            if wanted[own] != shape:
                faults.append(misshapen(name, stored, shape, wanted[own]))
            if header.dtypes[stored] not in DTYPES:
                faults.append(misstored(name, stored, header.dtypes[stored]))
    if len(here) < len(wanted) / 2:  # the library's own renaming may explain a few
        faults.append(lacks(name, sorted(set(wanted) - here), len(wanted)))
    return faults


def _endings(stored: str) -> list[str]:
    """A name as it is and without its first parts: "text_model.a.b", "a.b"."""
    parts = stored.split(".")
    return [".".join(parts[k:]) for k in range(min(3, len(parts)))]
