"""From a catalog entry to a loaded checkpoint."""

from __future__ import annotations

import importlib
import os

from studio.checkpoints.checkpoint import Checkpoint, Progress
from studio.checkpoints.inspect import Entry
from studio.errors import BadCheckpoint

OFFLINE = {  # read by the libraries when they are first imported
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DIFFUSERS_DISABLE_REMOTE_CODE": "true",
    "USE_TF": "0",
    "USE_FLAX": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
}


def load(entry: Entry, device: str, progress: Progress, others: dict[str, Entry]) -> Checkpoint:
    """Load a checkpoint onto a device; `others` are the entries whose parts it may borrow.

    Raises BadCheckpoint with a sentence. Nothing is fetched and no remote code is run.
    """
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    if entry.family not in FAMILIES:
        raise BadCheckpoint(f"The family {entry.family!r} of {entry.id} is not known here.")
    family = importlib.import_module(FAMILIES[entry.family])
    return family.load(entry, device, progress, others)


FAMILIES = {  # each module has a `load`, and is imported when a checkpoint of it is
    "exact": "studio.checkpoints.families.exact",
    "sd": "studio.checkpoints.families.sd",
}
