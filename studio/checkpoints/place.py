"""Where and how weights are held: a device that also names dtype, offload and quantisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

HALF = 512 * 2**20  # bytes of a checkpoint from which halving its numbers is worth their rounding


class Place(str):
    """A device, "cpu" or "cuda:0", usable wherever torch wants one, and how weights lie there.

    `dtype` is the name of the networks' own; states, schedules and the VAE stay float32.
    `offload` is "none", "model" (a network is on the device while it works) or "sequential" (a
    layer is); `quantise` "none", "int8" or "int4", of the denoiser. `read` is told of bytes of a
    component as they are read. `turns` are the networks that share the device in turn.
    """

    dtype: str
    offload: str
    quantise: str
    read: Callable[[str, int], None]
    turns: list[Any]

    def __new__(
        cls,
        device: str,
        dtype: str = "float32",
        offload: str = "none",
        quantise: str = "none",
        read: Callable[[str, int], None] = lambda component, count: None,
    ) -> Place:
        made = super().__new__(cls, device)
        made.dtype, made.offload, made.quantise, made.read = dtype, offload, quantise, read
        made.turns = []
        return made

    def with_(self, **changes: Any) -> Place:
        """The same place with some of it changed."""
        said = {name: getattr(self, name) for name in ("dtype", "offload", "quantise", "read")}
        return Place(str(self), **said | changes)


def place(device: str) -> Place:
    """A place as it is, or the plain one of a device's name."""
    return device if isinstance(device, Place) else Place(device)
