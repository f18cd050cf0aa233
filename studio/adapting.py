"""What changes a checkpoint for one run: adapters with weights, another autoencoder.

They are named by opaque ids out of the models folders. This module knows what a value may be, and
how one is written into a prompt; not which adapters there are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

from studio.errors import BadRequest
from studio.ranges import is_text, number

MAX_ADAPTERS = 4
MAX_WEIGHT = 4.0
MAX_ID = 100
Kind = Literal["lora", "embedding", "vae", "tiny"]
_TAG = re.compile(r"[ \t]*<lora:([A-Za-z0-9][A-Za-z0-9._-]{0,99})(?::(-?\d{1,2}(?:\.\d{0,4})?))?>")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A low-rank adapter or a textual inversion, and how strongly it acts.

    `weight` ∈ [-4, 4] multiplies a low-rank adapter's change of every weight, or a textual
    inversion's vectors; at 0 it is as if it were not there.
    """

    id: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every range; raises BadRequest with a sentence."""
        check_id("adapter", self.id)
        number("adapter's weight", self.weight, -MAX_WEIGHT, MAX_WEIGHT)
        object.__setattr__(self, "weight", float(self.weight))


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """What is known of an adapter without loading it.

    `trigger` is the word that stands for a textual inversion in a prompt. `targets` are the parts
    of a checkpoint that it changes: "unet", "transformer", "text_encoder", "text_encoder_2",
    "text_encoder_3", "vae".
    """

    id: str
    title: str
    kind: Kind
    targets: tuple[str, ...]
    parameters: int
    bytes: int
    licence: str
    trigger: str = ""
    rank: int = 0


class Adapting(Protocol):
    """The engine's verbs about adapters, autoencoders among them."""

    def adapters(self) -> tuple[AdapterInfo, ...]: ...

    def fits(self, adapter: str, model: str) -> str:
        """Why this adapter cannot change this checkpoint, in a sentence; "" where it can."""
        ...


def check_id(name: str, id: Any) -> None:
    """Raise BadRequest unless `id` could be an id."""
    if not is_text(id) or not 0 < len(id) <= MAX_ID:
        raise BadRequest(f"The {name} is named by its id; choose one from the list.")


def read(data: Any) -> tuple[Adapter, ...]:
    """Adapters from a recipe's JSON: a list of objects. Raises BadRequest."""
    if not isinstance(data, Sequence) or isinstance(data, str) or len(data) > MAX_ADAPTERS:
        raise BadRequest(f"A run takes a list of at most {MAX_ADAPTERS} adapters.")
    known = {f.name for f in fields(Adapter)}
    made = []
    for item in data:
        if isinstance(item, Adapter):
            made.append(item)
        elif not isinstance(item, dict) or set(item) - known or "id" not in item:
            raise BadRequest("An adapter is an id and a weight, and nothing else.")
        else:
            made.append(Adapter(**item))
    if len({adapter.id for adapter in made}) < len(made):
        raise BadRequest("An adapter is named twice; name each once, with its weight.")
    return tuple(made)


def spoken(prompt: str) -> tuple[str, tuple[Adapter, ...]]:
    """The prompt without its `<lora:name:0.8>`, and the adapters that these name.

    Without a number the weight is 1. Raises BadRequest for a weight out of range.
    """
    named = tuple(Adapter(m[1], float(m[2] or 1.0)) for m in _TAG.finditer(prompt))
    return (_TAG.sub("", prompt).strip() if named else prompt), named


def joined(first: Sequence[Adapter], more: Sequence[Adapter]) -> tuple[Adapter, ...]:
    """Both, each id once: the later weight counts. Raises BadRequest where they are too many."""
    return read(tuple({adapter.id: adapter for adapter in (*first, *more)}.values()))
