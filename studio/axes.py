"""What a grid's axis may run over, how its values are typed, and how one enters a request.

Values are kept as short texts in one canonical spelling, so that a file of a stranger may hold
them: each is parsed and checked again when it is put in. What exists is the engine's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio import presets
from studio.errors import BadRequest
from studio.recipe import Request

MAX_VALUES = 64  # of an axis
NO_STYLE = "none"
MAX_TEXT = 20_000  # letters of an axis's values together

Names = Mapping[str, tuple[tuple[str, str], ...]]  # field → (id, label) of what it may be

_NUMBER = r"\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})[-–]({_NUMBER})(?:\(\+({_NUMBER})\)|\[(\d{{1,4}})\])?")


@dataclass(frozen=True, slots=True)
class Axis:
    """A field of FIELDS and its values, as texts; at least one, at most MAX_VALUES."""

    field: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        """Raises BadRequest."""
        if not isinstance(self.field, str) or self.field not in FIELDS:
            raise BadRequest(f"There is no axis “{str(self.field)[:40]}”; choose one of the list.")
        name = FIELDS[self.field].name
        if not self.values:
            example = FIELDS[self.field].example
            raise BadRequest(f"The {name} has no values; type some, such as {example}.")
        if len(self.values) > MAX_VALUES:
            raise BadRequest(f"An axis has at most {MAX_VALUES} values; the {name} has more.")
        if sum(map(len, self.values)) > MAX_TEXT:
            raise BadRequest(f"The values of the {name} are too long together; shorten them.")


def parse(field: str, typed: str, names: Names) -> Axis:
    """An axis as it was typed: `1, 3, 5`, `1-4`, `10-50 (+10)`, `0-1 [5]`, `red|blue|green`.

    `names` are matched by id or label whatever their case. Raises BadRequest with a sentence.
    """
    if field not in FIELDS:
        said = str(field)[:40] or "–"
        raise BadRequest(f"There is no axis “{said}”; choose one of the list.")
    if len(typed) > MAX_TEXT:
        raise BadRequest(f"The values of the {FIELDS[field].name} are too long; shorten them.")
    values = FIELDS[field].split(FIELDS[field], typed.strip(), names.get(field, ()))
    return Axis(field, tuple(dict.fromkeys(values)))


def put(request: Request, chosen: Sequence[tuple[Axis, str]]) -> Request:
    """The request with these values; whole prompts go in before words are replaced in them."""
    order = list(FIELDS)
    for axis, text in sorted(chosen, key=lambda pair: order.index(pair[0].field)):
        try:
            request = FIELDS[axis.field].put(request, text, axis)
        except ValueError:  # a text of a file, not typed here
            name = FIELDS[axis.field].name
            raise BadRequest(f"“{text[:40]}” is no value of the {name}.") from None
    return request


@dataclass(frozen=True, slots=True)
class Field:
    """What an axis may run over: its name in sentences, an example, and its two functions."""

    name: str
    example: str
    split: Callable[[Field, str, tuple[tuple[str, str], ...]], list[str]]
    put: Callable[[Request, str, Axis], Request]


# How lines are read


def _numbers(field: Field, typed: str, _: object, whole: bool = False) -> list[str]:
    """Numbers and ranges, separated by commas or spaces."""
    tight = re.sub(r"\s*([-–(\[+])\s*", r"\1", typed)
    values: list[str] = []
    for item in filter(None, re.split(r"[,，、;；\s]+", tight)):
        found = _RANGE.fullmatch(item)
        if found:
            values += _range(field, item, found, whole)
        elif re.fullmatch(r"\d{1,20}" if whole else _NUMBER, item):
            values.append(_spelled(float(item) if not whole else int(item)))
        else:
            kind = "whole numbers" if whole else "numbers"
            raise BadRequest(_no_value(field, item, kind))
        if len(values) > MAX_VALUES:
            raise BadRequest(f"An axis has at most {MAX_VALUES} values; the {field.name} has more.")
    return values


def _wholes(field: Field, typed: str, names: object) -> list[str]:
    return _numbers(field, typed, names, whole=True)


def _range(field: Field, item: str, found: re.Match, whole: bool) -> list[str]:
    """`1-4`, `10-50(+10)` by a step, `0-1[5]` by a count of values; either way round."""
    low, high, step, count = found.groups()
    try:
        first, last = (int(low), int(high)) if whole else (float(low), float(high))
    except ValueError:
        raise BadRequest(_no_value(field, item, "whole numbers")) from None
    if count is not None:
        pieces = int(count) - 1
        if pieces < 1 or pieces >= MAX_VALUES:
            raise BadRequest(f"“{item[:40]}” is no range; give it 2 to {MAX_VALUES} values.")
        values = [first + (last - first) * k / pieces for k in range(pieces + 1)]
    else:
        by = float(step) if step else 1.0
        if by <= 0:
            raise BadRequest(f"“{item[:40]}” never ends; give it a step above 0.")
        pieces = int(abs(last - first) / by + 1e-9)
        if pieces >= MAX_VALUES:
            raise BadRequest(f"An axis has at most {MAX_VALUES} values; the {field.name} has more.")
        sign = 1 if last >= first else -1
        exact = int(by) if by == int(by) else by  # seeds are longer than a float is exact
        values = [first + sign * exact * k for k in range(pieces + 1)]
    return [_spelled(round(value) if whole else value) for value in values]


def _no_value(field: Field, item: str, kind: str) -> str:
    return f"“{item[:40]}” is no value of the {field.name}; write {kind} such as {field.example}."


def _spelled(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{round(value, 6):g}"


def _named(field: Field, typed: str, names: tuple[tuple[str, str], ...]) -> list[str]:
    """Ids or labels, separated by commas."""
    known = {_plain(said): id for id, label in names for said in (label, id)}
    values = []
    for item in filter(None, (part.strip() for part in re.split(r"[,，、;；|\n]", typed))):
        if _plain(item) not in known:
            raise BadRequest(f"There is no {field.name} “{item[:40]}”; choose one from the list.")
        values.append(known[_plain(item)])
    return values


def _plain(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


def _texts(field: Field, typed: str, _: object) -> list[str]:
    """Texts separated by |, each trimmed; an empty one counts where others stand beside it."""
    parts = [part.strip() for part in typed.split("|")]
    return parts if len(parts) > 1 or parts[0] else []


def _replaced(field: Field, typed: str, names: object) -> list[str]:
    parts = _texts(field, typed, names)
    if len(parts) == 1 or (parts and not parts[0]):
        raise BadRequest(
            f"The {field.name} to replace are at least two, the first one of the prompt: "
            f"{field.example}."
        )
    return parts


def _intervals(field: Field, typed: str, _: object) -> list[str]:
    values = []
    for item in filter(None, re.split(r"[,，、;；\s]+", re.sub(r"\s*([-–])\s*", r"\1", typed))):
        found = re.fullmatch(rf"({_NUMBER})[-–]({_NUMBER})", item)
        if not found:
            raise BadRequest(
                f"“{item[:40]}” is no interval; write two shares of the time such as 0.2-0.8."
            )
        values.append("-".join(_spelled(float(edge)) for edge in found.groups()))
    return values


def _sizes(field: Field, typed: str, _: object) -> list[str]:
    values = []
    for item in filter(None, re.split(r"[,，、;；\s]+", re.sub(r"\s*[x×*]\s*", "×", typed))):
        found = re.fullmatch(r"(\d{1,5})(?:×(\d{1,5}))?", item)
        if not found:
            raise BadRequest(f"“{item[:40]}” is no size; write 128, or 192×128 for width × height.")
        width, height = int(found[1]), int(found[2] or found[1])
        values.append(f"{width}×{height}")
    return values


# How a text is put into a request


def _set(name: str, kind: Callable[[str], Any] = str) -> Callable[[Request, str, Axis], Request]:
    return lambda request, text, axis: request.with_(**{name: kind(text)})


def _guide(name: str) -> Callable[[Request, str, Axis], Request]:
    def put(request: Request, text: str, axis: Axis) -> Request:
        change: dict[str, Any] = {name: float(text)}
        if name == "scale" and request.guidance.kind == "none":
            change["kind"] = "cfg"
        return request.with_(guidance=replace(request.guidance, **change))

    return put


def _put_interval(request: Request, text: str, axis: Axis) -> Request:
    low, high = (float(edge) for edge in text.split("-"))
    return request.with_(guidance=replace(request.guidance, interval=(low, high)))


def _put_prompt(request: Request, text: str, axis: Axis) -> Request:
    return request.with_(prompt=text, template="")  # it is another template now


def _put_words(request: Request, text: str, axis: Axis) -> Request:
    sought = axis.values[0]
    if not sought or sought not in request.prompt:
        raise BadRequest(
            f"The prompt does not contain “{sought[:40]}”; the list of words begins with the one "
            "that the others replace."
        )
    return request.with_(prompt=request.prompt.replace(sought, text), template="")


def _put_style(request: Request, text: str, axis: Axis) -> Request:
    if text == NO_STYLE:
        return request
    style = next((style for style in presets.styles() if style.id == text), None)
    if style is None:
        raise BadRequest(f"There is no style “{text[:40]}”; choose one from the list.")
    prompt, negative = presets.toggled(request.prompt, request.negative_prompt, style)
    return request.with_(prompt=prompt, negative_prompt=negative, template="")


def _put_control(request: Request, text: str, axis: Axis) -> Request:
    if not request.controls:
        raise BadRequest("No picture controls this request; choose another field for the axis.")
    first, *others = request.controls
    return request.with_(controls=(replace(first, scale=float(text)), *others))


def _put_size(request: Request, text: str, axis: Axis) -> Request:
    width, height = (int(side) for side in text.split("×"))
    return request.with_(width=width, height=height)


FIELDS = {  # in the order in which they are put into a request
    "prompt": Field("prompt", "red apple|green pear", _texts, _put_prompt),
    "words": Field("words", "red|blue|green", _replaced, _put_words),
    "negative": Field("negative prompt", "|blurry|text", _texts, _set("negative_prompt")),
    "guidance": Field("guidance scale", "1, 3, 5", _numbers, _guide("scale")),
    "rescale": Field("guidance rescale", "0, 0.5, 1", _numbers, _guide("rescale")),
    "interval": Field("guidance interval", "0-1, 0.2-0.8", _intervals, _put_interval),
    "steps": Field("number of steps", "5, 10, 20", _wholes, _set("steps", int)),
    "sampler": Field("sampler", "ddim, heun", _named, _set("sampler")),
    "spacing": Field("spacing", "trailing, karras", _named, _set("spacing")),
    "eta": Field("η (eta)", "0, 0.5, 1", _numbers, _set("eta", float)),
    "seed": Field("seed", "1-4", _wholes, _set("seed", int)),
    "model": Field("model", "icons-unet", _named, _set("model")),
    "size": Field("size", "128, 192×128", _sizes, _put_size),
    "style": Field("style", "none, noto", _named, _put_style),
    "label": Field("class", "0, 1, 2", _wholes, _set("label", int)),
    "strength": Field("strength", "0.3, 0.6, 0.9", _numbers, _set("strength", float)),
    "control": Field("control scale", "0, 0.5, 1", _numbers, _put_control),
    "handover": Field("hand-over", "0.6, 0.8, 0.95", _numbers, _set("handover", float)),
}
