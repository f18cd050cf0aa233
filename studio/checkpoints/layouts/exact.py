"""A finite set of pictures with captions: no network."""

from __future__ import annotations

from pathlib import Path

from studio.checkpoints.entry import Entry, read_json, words
from studio.errors import BadCheckpoint


def describe(folder: Path) -> Entry:
    """The entry of a folder with an `exact.json`; raises BadCheckpoint."""
    exact = read_json(folder / "exact.json")
    size = exact.get("size", 128)
    if type(size) is not int or not 8 <= size <= 512:
        raise BadCheckpoint(f"{folder.name} does not say how large its pictures are.")
    encoder = exact.get("text_encoder")
    return Entry(
        **words(folder),
        family="exact",
        size=size,
        latent=(3, size, size),
        parameters=0,
        bytes=sum(f.stat().st_size for f in folder.glob("*") if f.is_file()),
        prediction="sample",
        trained=False,
        needs=(encoder,) if isinstance(encoder, str) else (),
    )
