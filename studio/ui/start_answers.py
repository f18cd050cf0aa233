"""What the page asks about a picture to start from: keep one or its mask, show what is kept."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from studio.contract import Engine
from studio.errors import NotFound
from studio.ui import stream
from studio.ui.player import guarded, light


def for_start(engine: Engine) -> list[Callable]:
    """The server functions of the part; each answers with a sentence where it would raise."""

    def give(ask: dict) -> dict:
        """Keep the picture in the data URI `source`; its id and how it looks."""
        image = engine.keep(stream.unpacked(ask["source"]))
        return {"id": image, **_seen(engine.kept(image))}

    def mask(ask: dict) -> dict:
        """Keep the mask in the data URI `source`, white where it is painted anew; its id."""
        return {"id": engine.keep(stream.unpacked(ask["source"]))}

    def look(ask: dict) -> dict:
        """A kept picture and its mask, by their ids; `lost` where the mask alone is not kept."""
        seen = _seen(engine.kept(str(ask["image"])))
        if not ask.get("mask"):
            return {**seen, "mask": "", "lost": False}
        try:
            return {**seen, "mask": stream.png(engine.kept(str(ask["mask"]))), "lost": False}
        except NotFound:
            return {**seen, "mask": "", "lost": True}

    return [guarded(give), guarded(mask), guarded(look)]


def _seen(png: bytes) -> dict:
    with Image.open(io.BytesIO(png)) as image:
        width, height = image.size
    return {"picture": light(png), "width": width, "height": height}
