"""The classes of a class-conditional checkpoint: from what a prompt says to a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studio.checkpoints.conditions import Asked
from studio.checkpoints.similar import overlap, ranked

ENOUGH = 0.3  # of words shared, from which a prompt counts as naming a class


@dataclass(frozen=True, slots=True)
class Classes:
    """Names of the classes 0 … N - 1; one may list synonyms after commas, "" is never drawn.

    `null` is the class of no class, trained by dropping labels; None where there is none.
    """

    names: tuple[str, ...]
    null: int | None

    def of(self, asked: Asked) -> int:
        """The class of a row: its label, else the one that its text names, else none."""
        if asked.label is not None and not asked.negative:
            return asked.label
        found = self.find(asked.text)
        if found is not None:
            return found
        return self._first if self.null is None else self.null

    @property
    def _first(self) -> int:
        """The first that was taught: what a network without a class of no class draws."""
        return next((k for k, name in enumerate(self.names) if name), 0)

    def find(self, text: str) -> int | None:
        """The class that a text names: by its number, or by the words that it shares."""
        text = text.strip()
        if text.isdecimal() and len(text) < 9 and any(self.names[int(text) :][:1]):
            return int(text)
        best = self.nearest(text, 1)
        return self.names.index(best[0][0]) if best and best[0][1] >= ENOUGH else None

    def nearest(self, text: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        """The classes whose names share most words with the text, best first."""
        if not text.strip():
            return ()
        spoken = [(name, part) for name in self.names if name for part in _synonyms(name)]
        scores = overlap(text, tuple(part for _, part in spoken))
        found = ranked(tuple(name for name, _ in spoken), scores, count)
        return tuple((name, score) for name, score in found if score > 0.0)

    def known(self, text: str) -> bool:
        """Whether the text is empty or names a class."""
        return not text.strip() or self.find(text) is not None

    def notes(self, text: str) -> tuple[str, ...]:
        """Sentences about a text that names no class, or is not to be without one."""
        if not text.strip() or self.find(text) is not None:
            return ()
        text, count = text.strip()[:80], sum(map(bool, self.names))
        if self.null is None:
            first = self.names[self._first][:80]
            return (f"“{text}” names none of {count} classes; “{first}” was drawn instead.",)
        return (f"“{text}” names none of {count} classes; it was drawn without one.",)


def _synonyms(name: str) -> Sequence[str]:
    return [part.strip() for part in name.split(",") if part.strip()] or [name]
