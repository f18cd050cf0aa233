"""A checkpoint that could be loaded, and what every layout reads off in the same way.

No weights and no torch: JSON, the model card, and what `studio.json` says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio.errors import BadCheckpoint

MAX_JSON = 4 * 2**20  # bytes
MAX_READ, MAX_FILES = 64 * 2**20, 10_000  # the largest tokenizer.json has 35 MB
MAX_WORDS, MAX_EXAMPLES = 200, 50  # letters of what is shown in a line; prompts to try
READ_WHOLE = (".json", ".txt", ".md", ".model", ".png")  # files that somebody reads as a whole


@dataclass(frozen=True, slots=True)
class Entry:
    """A checkpoint that could be loaded. `defaults` are fields of a request, not yet checked."""

    id: str
    folder: Path
    family: str
    title: str
    knows: str
    size: int  # pixels
    latent: tuple[int, int, int]  # C, H, W of the state
    parameters: int
    bytes: int
    licence: str
    prediction: str
    defaults: dict[str, Any] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    card: str = ""
    trained: bool = True
    preferred: bool = False  # the one to open with
    conditions: Literal["text", "class", "none"] = "text"  # what a row is conditioned on
    classes: tuple[str, ...] = ()  # their names, from class 0 on; "" for one that was never taught
    guidance: str = "cfg"  # what a scale means here: "cfg", "embedded", or "none" for nothing
    square: bool = False  # whether the network takes square pictures only
    multiple: int = 0  # pixels that a side must be a multiple of; 0: one position of the state
    options: dict[str, Any] = field(default_factory=dict)  # what its family alone understands
    needs: tuple[str, ...] = ()  # ids of other checkpoints whose parts it uses when they are here


def check_inside(folder: Path) -> None:
    """Raise BadCheckpoint for a link out of the folder, or a file larger than its kind ever is.

    Weights may be links to those of a checkpoint beside it: two that share a part keep one copy.
    """
    root = folder.resolve()
    for count, file in enumerate(folder.rglob("*")):
        if count > MAX_FILES:
            raise BadCheckpoint(f"{folder.name} holds more files than any checkpoint does.")
        if file.is_symlink() and not _inside(file, root):
            raise BadCheckpoint(f"{folder.name} holds a link that leads out of its folder.")
        if file.suffix.lower() in READ_WHOLE and file.is_file():
            size, name = file.stat().st_size, f"{folder.name}/{file.relative_to(folder)}"
            if size > MAX_READ:
                raise BadCheckpoint(f"{name} is {size:,} bytes large; no such file is.")


def _inside(link: Path, root: Path) -> bool:
    try:
        end = link.resolve(strict=True)
        return end.is_relative_to(root) or _shared(end, root.parent)
    except (OSError, RuntimeError):  # it leads nowhere, or to itself
        return False


def _shared(end: Path, models: Path) -> bool:
    """Whether a file is a checkpoint's weights in this folder of checkpoints."""
    if end.suffix != ".safetensors" or not end.is_file() or not end.is_relative_to(models):
        return False
    return (models / end.relative_to(models).parts[0] / "model_index.json").is_file()


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint; raises BadCheckpoint."""
    try:
        if file.stat().st_size > MAX_JSON:
            raise ValueError
        data = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError
    except FileNotFoundError:
        raise BadCheckpoint(f"{file.parent.name} has no {file.name}.") from None
    except (ValueError, RecursionError, OSError):
        raise BadCheckpoint(f"{file.parent.name}/{file.name} is not a JSON object.") from None
    return data


def words(folder: Path) -> dict[str, Any]:
    """What `studio.json` and the model card say: title, licence, defaults, examples, the card."""
    said = read_json(folder / "studio.json") if (folder / "studio.json").is_file() else {}
    card = ""
    if (folder / "README.md").is_file():
        card = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:200_000]
    matter = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    licence = re.search(r"^license:\s*(\S+)", matter[1], re.MULTILINE) if matter else None
    defaults, examples = said.get("defaults", {}), said.get("examples", ())
    shown = examples if isinstance(examples, list) else []
    return {
        "id": folder.name,
        "folder": folder,
        "title": str(said.get("title", folder.name))[:MAX_WORDS],
        "knows": str(said.get("knows", ""))[:MAX_WORDS],
        "licence": str(said.get("licence", licence[1] if licence else "not stated")),
        "defaults": dict(defaults) if isinstance(defaults, dict) else {},
        "examples": tuple(str(e)[:MAX_WORDS] for e in shown[:MAX_EXAMPLES]),
        "card": card[matter.end() :].strip() if matter else card,
        "preferred": said.get("default") is True,
    }
