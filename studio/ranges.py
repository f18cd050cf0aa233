"""Whether a value is text, a whole number or a number in its range; else BadRequest says so."""

from __future__ import annotations

from typing import Any

from studio.errors import BadRequest


def is_text(value: Any) -> bool:
    """Whether it is a string that can be written as UTF-8; JSON can spell half a letter."""
    try:
        return isinstance(value, str) and value.encode("utf-8") is not None
    except UnicodeEncodeError:
        return False


def whole(name: str, value: Any, low: int, high: int) -> None:
    """Raise BadRequest unless `value` is a whole number in [low, high]."""
    if value is None:
        raise BadRequest(f"The {name} is empty; give a whole number.")
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"The {name} must be a whole number, not “{str(value)[:40]}”.")
    if not low <= value <= high:
        raise BadRequest(f"The {name} must be between {low} and {high}, not {str(value)[:40]}.")


def number(name: str, value: Any, low: float, high: float) -> None:
    """Raise BadRequest unless `value` is a number in [low, high]."""
    if value is None:
        raise BadRequest(f"The {name} is empty; give a number.")
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise BadRequest(f"The {name} must be a number, not “{str(value)[:40]}”.")
    if not low <= value <= high:
        raise BadRequest(f"The {name} must be between {low:g} and {high:g}, not {str(value)[:20]}.")
