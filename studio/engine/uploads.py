"""Pictures that visitors gave, by the SHA-256 of their pixels; the least recently used leave.

A recipe names its pictures by that hash, so nobody can ask for one that they have not seen, and a
path never comes into it. Used from any thread.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from PIL import Image

from studio.errors import NotFound
from studio.imaging.pictures import open_picture, to_png
from studio.recipe import MAX_SIDE

KEPT_BYTES = 256 * 2**20
GONE = "The picture that this recipe starts from is not here; give it again."


class Uploads:
    """Upright RGB pictures of at most MAX_SIDE a side, as PNG bytes."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, picture: bytes) -> str:
        """Keep a PNG, JPEG or WebP file and return its id. Raises BadPicture."""
        image = open_picture(picture)
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
        id, data = name(image), to_png(image)
        with self._lock:
            self._kept[id] = data
            self._kept.move_to_end(id)
            held = sum(map(len, self._kept.values()))
            while held > self._limit and len(self._kept) > 1:
                held -= len(self._kept.popitem(last=False)[1])
        return id

    def png(self, id: str) -> bytes:
        """The kept picture. Raises NotFound."""
        with self._lock:
            if id not in self._kept:
                raise NotFound(GONE)
            self._kept.move_to_end(id)
            return self._kept[id]


def name(image: Image.Image) -> str:
    """The SHA-256 of an RGB picture's size and pixels, in hexadecimal."""
    size = f"{image.width}x{image.height}:".encode()
    return hashlib.sha256(size + image.tobytes()).hexdigest()
