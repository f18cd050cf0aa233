"""NumPy arrays out of a pickle, read as data: its instructions are looked at, none is obeyed.

A pickle is a small program. The few instructions that plain dicts of arrays need in protocol 3
are understood here; a name that it would import is kept as a word, and anything else is refused.
Nothing that the file says is imported or called.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

from studio.errors import BadData

MARK = object()
KINDS = {"f4": np.dtype("<f4"), "f8": np.dtype("<f8"), "i4": np.dtype("<i4")}
REBUILD, ARRAY, DTYPE = "_reconstruct", "ndarray", "dtype"
NAMES = {
    **{f"numpy.{core}.multiarray _reconstruct": REBUILD for core in ("core", "_core")},
    "numpy ndarray": ARRAY,
    "numpy dtype": DTYPE,
}
BAD = "The pickled weights hold more than plain arrays; they were not read."


@dataclass(eq=False, slots=True)
class Box:
    """A value that a later instruction fills: a dtype, or an array with its state."""

    kind: str
    value: Any = None


def arrays(data: bytes) -> dict[str, np.ndarray]:
    """Nested dicts of arrays as one dict, keys joined by dots. Raises BadData."""
    try:
        whole = _walk(data)
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BadData(BAD) from error
    flat: dict[str, np.ndarray] = {}
    _flatten(whole, "", flat)
    return flat


def _walk(data: bytes) -> Any:
    """The value that the pickle describes: dicts, words, numbers, tuples and Boxes of arrays."""
    stack: list[Any] = []
    kept: dict[int, Any] = {}
    for code, given, _ in pickletools.genops(data):
        name = code.name
        if name == "PROTO":
            continue
        if name == "STOP":
            return stack.pop()
        if name in ("BINPUT", "LONG_BINPUT"):
            kept[given] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(kept[given])
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in PLAIN:
            stack.append(given)
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "MARK":
            stack.append(MARK)
        elif name == "GLOBAL":
            stack.append(Box(NAMES[given]))
        elif name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(_above(stack) if name == "TUPLE" else _last(stack, int(name[-1]))))
        elif name == "SETITEMS":
            pairs = _above(stack)
            stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))
        elif name == "SETITEM":
            key, value = _last(stack, 2)
            stack[-1][key] = value
        elif name == "REDUCE":
            made, about = _last(stack, 2)
            stack.append(_made(made, about))
        elif name == "BUILD":
            state = stack.pop()
            _fill(stack[-1], state)
        else:
            raise ValueError(name)
    raise ValueError("no end")


def _above(stack: list[Any]) -> list[Any]:
    """Take what lies above the last mark, and the mark."""
    place = len(stack) - 1 - next(k for k, v in enumerate(reversed(stack)) if v is MARK)
    taken = stack[place + 1 :]
    del stack[place:]
    return taken


def _last(stack: list[Any], count: int) -> list[Any]:
    taken = stack[-count:]
    if len(taken) < count:
        raise IndexError
    del stack[-count:]
    return taken


def _made(made: Box, about: tuple) -> Box:
    """What would have been called: an empty array, or a dtype by its name."""
    if made.kind == REBUILD and isinstance(about[0], Box) and about[0].kind == ARRAY:
        return Box("an array")
    if made.kind == DTYPE:
        return Box("a dtype", KINDS[about[0]])
    raise ValueError(made.kind)


def _fill(box: Box, state: tuple) -> None:
    """Give an array its shape, type and bytes; a dtype's state must say little-endian."""
    if box.kind == "a dtype":
        if state[1] != "<":
            raise ValueError("byte order")
        return
    _, shape, kind, fortran, raw = state
    if box.kind != "an array" or kind.kind != "a dtype":
        raise ValueError(box.kind)
    flat = np.frombuffer(raw, kind.value)
    box.value = flat.reshape(shape, order="F" if fortran else "C")


def _flatten(value: Any, name: str, into: dict[str, np.ndarray]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(inner, f"{name}.{key}" if name else str(key), into)
    elif isinstance(value, Box) and isinstance(value.value, np.ndarray):
        into[name] = value.value
    else:
        raise BadData(BAD)


CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
PLAIN = {"BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BININT", "BININT1", "BININT2", "LONG1"}
