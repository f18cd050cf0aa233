"""A loaded checkpoint with what can change it: adapters beside its networks, words in its encoders.

Rows of one forward may want different adapters; each row says which, with weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from studio.checkpoints import inversion, lora, weights
from studio.checkpoints.adapters import AdapterEntry
from studio.checkpoints.lora import Adaptable, Deltas
from studio.errors import BadCheckpoint


@dataclass(eq=False, frozen=True, slots=True)
class Attached:
    """One adapter at one checkpoint: its changes by part; of an inversion its vectors' count."""

    entry: AdapterEntry
    deltas: dict[str, Deltas] = field(default_factory=dict)
    vectors: int = 0

    @property
    def bytes(self) -> int:
        """What it takes on the device."""
        return sum(deltas.bytes for deltas in self.deltas.values())


Worn = tuple[tuple[Attached, float], ...]  # by one row


class Adapted:
    """The places of one checkpoint that adapters can change. It belongs to the device's thread."""

    def __init__(self, checkpoint: Any) -> None:
        """Families with `encoders` and a denoiser; nothing is changed before an adapter comes."""
        self.checkpoint, self.device = checkpoint, str(checkpoint.device)
        self._networks: dict[str, Adaptable] = {}
        self.texts: dict[str, Any] = checkpoint.encoders
        self._denoisers = {
            part: getattr(checkpoint, name)
            for part, name in (("unet", "unet"), ("transformer", "network"))
            if hasattr(checkpoint, name)
        }

    def attach(self, entry: AdapterEntry) -> Attached:
        """Read an adapter and make it ready; raises BadCheckpoint with a sentence."""
        if entry.kind == "embedding":
            return self._learn(entry)
        unet = self._denoisers.get("unet")
        found = lora.read(entry, _layers(unet.config.layers_per_block) if unet else 0)
        made = {}
        for part, changes in found.items():
            made[part] = self._network(part, entry).deltas(changes, entry.title)
        return Attached(entry, made)

    def _learn(self, entry: AdapterEntry) -> Attached:
        assert entry.header is not None
        stored = dict(weights.tensors(entry.header, lambda count: None))
        for name, tensor in stored.items():
            weights.check_finite(tensor, entry.file.name, name)
        parts = inversion.by_part(stored, entry.vectors)
        count = len(next(iter(parts.values())))
        if any(len(vectors) != count for vectors in parts.values()):
            raise BadCheckpoint(f"{entry.file.name} has another count of vectors for each encoder.")
        for part, text in self.texts.items():
            if part in parts or "" in parts:
                text.learn(entry.id, parts.get(part, parts.get("")).float())
        return Attached(entry, vectors=count)

    def _network(self, part: str, entry: AdapterEntry) -> Adaptable:
        if part not in self._networks:
            text = self.texts.get(part)
            network = text.model if text else self._denoisers.get(part)
            if network is None:
                raise BadCheckpoint(f"{entry.title} changes {part}, which is not there.")
            self._networks[part] = Adaptable(network, self.device)
        return self._networks[part]

    @contextmanager
    def wearing(self, rows: Sequence[Worn]) -> Iterator[None]:
        """Each of R rows of a forward with its own adapters, for as long as this lasts."""
        with ExitStack() as stack:
            acting = []
            for part, network in self._networks.items():
                mine = [[(a.deltas[part], w) for a, w in row if part in a.deltas] for row in rows]
                acting.append((network, lora.shared(mine, self.device)))
            stack.enter_context(lora.acting(acting))
            words = {a.entry.id: w for row in rows for a, w in row if a.vectors}
            for text in self.texts.values():
                text.worn = tuple((a.entry.id, w) for row in rows for a, w in row if a.deltas)
                stack.callback(setattr, text, "worn", ())
                if text.inversions is not None:
                    text.inversions.weights = words
            yield


def spelled(prompt: str, worn: Worn) -> str:
    """The prompt with the words of the inversions that are worn turned into their tokens."""
    for attached, _ in worn:
        if attached.vectors:
            entry = attached.entry
            prompt = inversion.spelled(prompt, entry.trigger, entry.id, attached.vectors)
    return prompt


def unused(prompts: Sequence[str], worn: Worn) -> tuple[str, ...]:
    """Sentences about inversions whose word no prompt holds."""
    return tuple(
        f"The textual inversion {a.entry.title} did nothing: no prompt has its word "
        f"{a.entry.trigger}."
        for a, _ in worn
        if a.vectors and not any(a.entry.trigger in prompt for prompt in prompts)
    )


def _layers(said: int | Sequence[int]) -> int:
    return said if isinstance(said, int) else said[0]
