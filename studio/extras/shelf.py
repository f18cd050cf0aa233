"""The folder of extras: what is in it, putting one there, and opening one.

Beside each weight file lies a note in JSON with the checksum of the file and the archive it was
made from. Nothing is fetched unless `install` is called; the app never calls it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.errors import BadData, BadRequest, NotFound
from studio.extras import archives
from studio.extras.convert import CONVERTERS
from studio.extras.known import EXTRAS, Extra

COMMAND = "python -m studio extras install"


class Shelf:
    """The extras in one folder; what was opened stays open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, Any] = {}
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        return self.folder / f"{name}{EXTRAS[name].suffix}"

    def here(self, name: str) -> bool:
        """Whether it is installed; its bytes are looked at when it is opened."""
        return self.path(name).is_file() and self._note(name).is_file()

    def missing(self, name: str) -> str:
        """Why it cannot be used, in a sentence that names the command; "" where it can."""
        return "" if self.here(name) else absent(name)

    def weights(self, name: str) -> Any:
        """Its tensors by name; an ONNX file as OpenCV's network. Checked against the note, once.

        Raises BadRequest where it is not installed, BadData where it is not as it was made.
        """
        with self._lock:
            if name not in self._open:
                if said := self.missing(name):
                    raise BadRequest(said)
                self._open[name] = self._read(name)
            return self._open[name]

    def _read(self, name: str) -> Any:
        data = self.path(name).read_bytes()
        try:
            noted = json.loads(self._note(name).read_text(encoding="utf-8"))["sha256"]
        except (ValueError, KeyError, TypeError):
            noted = ""
        if hashlib.sha256(data).hexdigest() != noted:
            raise BadData(
                f"The extra {name} is damaged: it is not the file that was made; "
                f"`{COMMAND} {name}` makes it anew."
            )
        if EXTRAS[name].form == "onnx":
            return _network(name, data)
        from safetensors.torch import load

        return load(data)

    def install(self, name: str, given: Path | None = None) -> Path:
        """Fetch the archive (or take it from the folder `given`), convert, and keep the result.

        Raises NotFound for a name that is none, BadData with what went wrong.
        """
        if name not in EXTRAS:
            raise NotFound(f"There is no extra “{name[:40]}”; there are {', '.join(EXTRAS)}.")
        extra = EXTRAS[name]
        self.folder.mkdir(parents=True, exist_ok=True)
        if given is not None:
            data = archives.member(archives.checked(extra.archive, given), extra.member)
        else:
            with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
                path = archives.fetch(extra.archive, Path(scratch))
                data = archives.member(path, extra.member)
        kept = _kept(extra, data)
        note = {
            "sha256": hashlib.sha256(kept).hexdigest(),
            "licence": extra.licence,
            "archive": asdict(extra.archive),
            "member": extra.member,
        }
        _put(self.path(name), kept)
        _put(self._note(name), json.dumps(note, indent=1).encode())
        with self._lock:
            self._open.pop(name, None)
        return self.path(name)

    def _note(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def absent(name: str) -> str:
    """What is said of an extra that is not installed."""
    extra = EXTRAS[name]
    return (
        f"{extra.title}: the network is not installed; `{COMMAND} {name}` fetches it "
        f"({extra.megabytes} MB, {extra.licence})."
    )


def _kept(extra: Extra, data: bytes) -> bytes:
    """The bytes of the file that is kept."""
    if extra.form == "onnx":
        return data
    from safetensors.numpy import save

    return save(CONVERTERS[extra.form](data), {"licence": extra.licence})


def _network(name: str, data: bytes) -> Any:
    """An ONNX graph, opened by OpenCV. Raises BadData."""
    import cv2
    import numpy as np

    try:
        return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise BadData(
            f"OpenCV {cv2.__version__} cannot read the extra {name}; OpenCV 5 can."
        ) from error


def _put(path: Path, data: bytes) -> None:
    """Write beside the place and move there: a stop leaves the old file or none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    os.replace(beside, path)
