r"""What people write into prompts beside words: weights, BREAK and wildcards. Text in, text out.

- `(word)` weighs 1.1 times as much, `((word))` 1.21, `[word]` 1/1.1, `(word:1.3)` 1.3 times.
- `BREAK` begins a new piece of the encoder's length, where a family reads in pieces.
- `{red|green|blue}` is one of the three and `__colour__` one word of a list: the seed chooses.
- A backslash before one of ( ) [ ] { } | \ makes a letter of it.

Brackets without their partner are letters. This module knows no tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from studio.errors import BadRequest

UP = 1.1
MOST = 10.0  # a weight
DEEPEST = 8  # wildcards within wildcards
MAX_PROMPT = 2000

_ESCAPED = "()[]{}|\\"
_CLOSES = {")": "(", "]": "["}
_NUMBER = re.compile(r":\s*(\d{1,3}(?:\.\d{0,6})?|\.\d{1,6})\s*$")
_LIST = re.compile(r"__([a-z][a-z0-9-]{0,39})__")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text between two BREAKs with the weight of each of its letters."""

    text: str
    weights: tuple[float, ...]

    @property
    def plain(self) -> bool:
        """Whether every letter weighs 1."""
        return all(weight == 1.0 for weight in self.weights)


@dataclass(frozen=True, slots=True)
class Tokens:
    """How long a prompt is for an encoder: `count` of its own tokens, `room` in one reading.

    `pieces` are the readings that are made of it; `unread` tokens lie beyond the last.
    """

    count: int
    room: int
    pieces: int
    unread: int


def pieces(prompt: str) -> tuple[Piece, ...]:
    """The prompt without its syntax, one piece at least. Raises BadRequest for a weight over 10."""
    letters = _letters(prompt)
    weights = [1.0] * len(letters)
    gone = set()
    for start, end in _pairs(letters):
        inside = "".join(letter for letter, _ in letters[start + 1 : end])
        factor = UP if letters[start][0] == "(" else 1 / UP
        said = _NUMBER.search(inside) if letters[start][0] == "(" else None
        if said and not any(mark for _, mark in letters[start + 1 + said.start() : end]):
            factor = float(said[1])
            gone |= set(range(start + 1 + said.start(), end))
        gone |= {start, end}
        for place in range(start + 1, end):
            weights[place] *= factor
    kept = [(letters[k][0], weights[k]) for k in range(len(letters)) if k not in gone]
    if any(weight > MOST for _, weight in kept):
        heavy = "".join(letter for letter, weight in kept if weight > MOST)
        raise BadRequest(f"“{heavy[:40]}” weighs more than {MOST:g}; take a smaller weight.")
    return _split(kept)


def plain(prompt: str) -> str:
    """The words alone."""
    return " ".join(piece.text.strip() for piece in pieces(prompt)).strip()


def choose(template: str, seed: int, lists: Mapping[str, Sequence[str]]) -> str:
    """The prompt that the seed makes of a template; without wildcards the template itself.

    The k-th wildcard takes the entry that SHA-256 of (seed, k, its own text) points at: the same
    seed makes the same prompt anywhere, also with other words around. Raises BadRequest.
    """
    made, drawn = template, 0
    for _ in range(DEEPEST):
        found = _innermost(made)
        if not found:
            return made
        parts, at = [], 0
        for start, end, options in found:
            digest = hashlib.sha256(f"{seed} {drawn} {made[start:end]}".encode()).digest()
            among = _listed(options, lists) if isinstance(options, str) else options
            drawn += 1
            parts += [made[at:start], among[int.from_bytes(digest[:8], "big") % len(among)]]
            at = end
        made = "".join([*parts, made[at:]])
        if len(made) > MAX_PROMPT:
            raise BadRequest(f"The prompt is longer than {MAX_PROMPT} characters; shorten it.")
    raise BadRequest(f"Wildcards stand within each other more than {DEEPEST} deep; simplify them.")


def _listed(name: str, lists: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if name not in lists:
        known = ", ".join(f"__{each}__" for each in lists) or "none"
        raise BadRequest(f"There is no word list “{name}”; those here are {known}.")
    return lists[name]


def _letters(prompt: str) -> list[tuple[str, bool]]:
    """Letters, each with whether it is a mark: a bracket that no backslash takes its meaning."""
    out, escaped = [], False
    for place, letter in enumerate(prompt):
        following = prompt[place + 1 : place + 2]
        if escaped:
            out.append((letter, False))
            escaped = False
        elif letter == "\\" and following and following in _ESCAPED:
            escaped = True
        else:
            out.append((letter, letter in "()[]"))
    return out


def _pairs(letters: list[tuple[str, bool]]) -> list[tuple[int, int]]:
    """Places of the brackets that belong together."""
    pairs, open_ = [], list[int]()
    for place, (letter, mark) in enumerate(letters):
        if not mark:
            continue
        if letter in "([":
            open_.append(place)
            continue
        for back in range(len(open_) - 1, -1, -1):
            if letters[open_[back]][0] == _CLOSES[letter]:
                pairs.append((open_[back], place))
                del open_[back:]
                break
    return pairs


def _split(kept: list[tuple[str, float]]) -> tuple[Piece, ...]:
    text = "".join(letter for letter, _ in kept)
    out, at = list[Piece](), 0
    for found in [*re.finditer(r"\s*\bBREAK\b[\s,]*", text), None]:
        end = found.start() if found else len(text)
        if text[at:end].strip() or not (out or found):
            out.append(Piece(text[at:end], tuple(weight for _, weight in kept[at:end])))
        at = found.end() if found else at
    return tuple(out) or (Piece("", ()),)


def _innermost(text: str) -> list[tuple[int, int, list[str] | str]]:
    """(start, end, options) of {a|b} without braces inside, and of __lists__, in their order."""
    found: list[tuple[int, int, list[str] | str]] = []
    start, bars, escaped = -1, list[int](), False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "{":
            start, bars = place, []
        elif letter == "|" and start >= 0:
            bars.append(place)
        elif letter == "}" and start >= 0:
            if bars:
                edges = [start, *bars, place]
                cut = [text[a + 1 : b].strip() for a, b in pairwise(edges)]
                found.append((start, place + 1, cut))
            start = -1
    taken = [range(start, end) for start, end, _ in found]
    for name in _LIST.finditer(text):
        if not any(name.start() in span for span in taken):
            found.append((name.start(), name.end(), name[1]))
    return sorted(found, key=lambda each: each[0])
