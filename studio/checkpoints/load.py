"""From a catalog entry to a loaded checkpoint."""

from __future__ import annotations

import importlib
import logging
import os
import re
from pathlib import Path

from studio.checkpoints.checkpoint import Checkpoint, Progress
from studio.checkpoints.entry import Entry
from studio.errors import BadCheckpoint, OutOfMemory, StudioError

log = logging.getLogger(__name__)
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

    `device` may be a Place, which says more than a device's name. Raises BadCheckpoint or
    OutOfMemory with a sentence. Nothing is fetched and no remote code is run.
    """
    offline()
    if entry.family not in FAMILIES:
        raise BadCheckpoint(f"The family {entry.family!r} of {entry.id} is not known here.")
    family = importlib.import_module(FAMILIES[entry.family])
    try:
        return family.load(entry, device, progress, others)
    except StudioError:
        raise
    except Exception as error:  # the libraries raise of every kind on files that make no sense
        log.warning("%s does not load", entry.id, exc_info=error)
        if not no_room(error):
            why = reason(error, entry.folder)
            raise BadCheckpoint(f"{entry.id} does not load: {why}.") from None
    raise OutOfMemory(f"The device had no room for {entry.id}; unload another checkpoint first.")


def offline() -> None:
    """Settle what the libraries may do, before anything imports them; who has set it is obeyed."""
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)


def no_room(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    said = str(error).lower()
    short = "out of memory" in said or "can't allocate memory" in said
    return short or isinstance(error, MemoryError)


def reason(error: BaseException, folder: Path) -> str:
    """An exception in a few words, of every path only its last part."""
    lines = str(error).replace(str(folder), folder.name).strip().splitlines()
    text = re.sub(r"(?:[A-Za-z]:\\|(?<![\w.])/)[^\s'\":,;]*[/\\]", "", lines[0] if lines else "")
    return (text or type(error).__name__)[:200].rstrip(".")


FAMILIES = {  # each module has a `load`, and is imported when a checkpoint of it is
    "dit": "studio.checkpoints.families.dit",
    "exact": "studio.checkpoints.families.exact",
    "flux": "studio.checkpoints.families.flux",
    "pixart": "studio.checkpoints.families.pixart",
    "pixel": "studio.checkpoints.families.pixel",
    "sd": "studio.checkpoints.families.sd",
    "sd3": "studio.checkpoints.families.sd3",
    "sdxl": "studio.checkpoints.families.sdxl",
}
