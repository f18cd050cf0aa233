"""What the Models tab asks of the engine, and what it is answered: plain frozen values.

What a checkpoint is made of, whether it fits, loading it with its bytes counted, checking it
without loading it, what is held, and fetching one from the hub. This module knows neither torch
nor gradio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

Plan = Literal["whole", "model offload", "sequential offload", "none"]


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a checkpoint: a network, a tokenizer, a scheduler."""

    name: str  # its folder: "unet"
    kind: str  # its class: "UNet2DConditionModel"
    parameters: int = 0  # 0 where it has no weights
    dtype: str = ""  # as stored: "float16", or "float16, float32"; "" where it has no weights
    bytes: int = 0  # of its weights, on disk


@dataclass(frozen=True, slots=True)
class Details:
    """All that is known of a checkpoint without reading its weights."""

    id: str
    title: str
    family: str
    knows: str
    layout: Literal["folder", "file"]
    source: str  # "models", or "hub owner/name@revision" for one that was fetched
    components: tuple[Component, ...]
    parameters: int
    dtype: str  # of the largest component, as stored
    bytes: int
    size: int  # pixels
    latent: tuple[int, int, int]  # C, H, W
    prediction: str
    scheduler: tuple[tuple[str, str], ...]  # its class and the fields that matter, as words
    licence: str
    card: str  # Markdown
    loaded: bool
    load_seconds: float | None  # the last time, None if it never was


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a checkpoint fits, said before it is loaded: weights + activations against free.

    All in bytes. `leaves` are the checkpoints that go to make room. `plan` is how it would be
    held: whole on the device, a component at a time, a layer at a time, or not at all.
    `sentence` is the arithmetic in words.
    """

    id: str
    device: str
    dtype: str
    weights: int
    activations: int
    free: int
    leaves: tuple[str, ...]
    plan: Plan
    sentence: str


@dataclass(frozen=True, slots=True)
class Held:
    """A loaded checkpoint."""

    id: str
    title: str
    bytes: int
    seconds: float  # what loading took
    idle_s: float  # since it was last used
    runs: int  # that use it now; it can be unloaded when there are none


@dataclass(frozen=True, slots=True)
class Memory:
    """What is held, and what there is. `probe` is what a small matrix product took, by dtype."""

    device: str  # "cpu", "cuda:0"
    device_name: str
    dtype: str  # the one in which checkpoints are held here
    attention: str
    probe: tuple[tuple[str, float], ...]  # dtype, milliseconds
    held: tuple[Held, ...]  # the one used longest ago first
    budget: int  # bytes that held checkpoints may take together
    rss: int  # bytes of this process
    free: int  # bytes of the device's memory
    total: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Something in the models folder that is not offered, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a checkpoint is read: bytes done of all, and of which component.

    `doing` is a short phrase, e.g. "reading the UNet"; `total` 0 means that it is not known.
    """

    id: str
    doing: str
    component: str = ""
    done: int = 0
    total: int = 0
    share: float | None = None  # of the whole, in [0, 1]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The checkpoint is on the device. `seconds` 0 if it was there already."""

    id: str
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, as sentences: faults, for which it would not load, and harmless notes.

    `sound` if there are no faults. Weights were read, not kept.
    """

    id: str
    sound: bool
    found: tuple[str, ...]
    notes: tuple[str, ...]
    bytes: int  # that were read
    seconds: float


@dataclass(frozen=True, slots=True)
class Offer:
    """What a hub id stands for, read before anything is fetched. `revision` is a whole hash."""

    repo: str
    revision: str
    files: int
    bytes: int
    here: int  # bytes that are here already
    free: int  # bytes of disk that may still be filled
    licence: str
    gated: bool
    id: str  # under which it will be offered


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a fetch is. Stopped and asked again, it goes on where it was."""

    repo: str
    file: str
    done: int  # bytes of all files
    total: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """It is here and in the catalog, under this id."""

    repo: str
    id: str
    bytes: int
    seconds: float


class Holdings(Protocol):
    """The engine's verbs for checkpoints. Every method may raise StudioError; none needs torch
    in the caller. Closing an iterator stops what it reports."""

    hub: bool  # whether hub ids are allowed here

    def details(self, id: str) -> Details:
        """Raises NotFound, BadCheckpoint."""
        ...

    def refused(self) -> tuple[Refused, ...]: ...

    def rescan(self) -> int:
        """Look at the models folders again; how many checkpoints there are now."""
        ...

    def fit(self, id: str) -> Fit:
        """Whether it would fit now; reads no weights."""
        ...

    def load(self, id: str) -> Iterator[Reading | Loaded]:
        """Load it, or wait with others that load it already; the last value is Loaded.

        Closing the iterator cancels the load unless somebody else waits for it. A load that
        fails or is cancelled leaves what was loaded as it was. Raises BadCheckpoint, OutOfMemory.
        """
        ...

    def unload(self, id: str) -> None:
        """Free it; idempotent. Raises Busy while a run uses it."""
        ...

    def memory(self) -> Memory: ...

    def check(self, id: str) -> Iterator[Reading | Checked]:
        """Verify every file without loading it: headers, names and shapes, NaN and infinity."""
        ...

    def offer(self, repo: str, revision: str = "") -> Offer:
        """What the hub says of `owner/name`. Raises BadRequest where hub ids are not allowed."""
        ...

    def fetch(self, repo: str, revision: str = "") -> Iterator[Fetching | Fetched]:
        """Fetch it into the studio's own folder; the last value is Fetched."""
        ...
