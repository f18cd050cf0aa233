"""From the engine's values about checkpoints to what the Models tab's script draws.

Sentences travel as messages, pictures as data; a checkpoint is named by its opaque id alone.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from studio import holding as h
from studio import insides
from studio.contract import CheckpointInfo
from studio.controls import ControlInfo
from studio.ui import stream, words
from studio.ui.player import light

MAX_CARD = 60_000  # characters of a card that are sent
ENDS = {h.Loaded: "loaded", h.Checked: "checked", h.Fetched: "fetched"}


def row(info: CheckpointInfo) -> dict:
    """One line of the list."""
    names = ("id", "title", "family", "knows", "parameters", "bytes", "licence", "loaded")
    return {name: getattr(info, name) for name in names}


def control(info: ControlInfo) -> dict:
    """One control network, with what it was made for."""
    names = ("id", "title", "family", "base", "parameters", "bytes", "licence")
    return {name: getattr(info, name) for name in names}


def refused(value: h.Refused) -> dict:
    return {"id": value.id, "why": words.from_sentence(value.reason)}


def details(value: h.Details) -> dict:
    """All of a checkpoint's page but what it would take."""
    return {**asdict(value), "card": value.card[:MAX_CARD]}


def fit(value: h.Fit) -> dict:
    """The arithmetic, in numbers and in words."""
    return {**asdict(value), "sentence": words.from_sentence(value.sentence)}


def memory(value: h.Memory) -> dict:
    return asdict(value)


def offer(value: h.Offer) -> dict:
    return asdict(value)


def streamed(value: Any, what: str, ask: int) -> dict:
    """A message of a load, a check or a fetch, whole in itself; `ask` is the page's own number."""
    said = {"what": what, "ask": ask, **asdict(value)}
    kind = ENDS.get(type(value), "reading")
    if isinstance(value, h.Reading):
        said["doing"] = doing(value.doing)
    if isinstance(value, h.Checked):
        said |= {name: [words.from_sentence(s) for s in said[name]] for name in ("found", "notes")}
    return {"kind": kind, **said}


def failed(error: Exception, what: str, ask: int, id: str) -> dict:
    return {"kind": "failed", "what": what, "ask": ask, "id": id, "message": stream.problem(error)}


def stopped(what: str, ask: int, id: str) -> dict:
    return {"kind": "stopped", "what": what, "ask": ask, "id": id}


def doing(phrase: str) -> dict:
    """A phrase about a part of the checkpoint by its key; any other as its text."""
    for verb in ("comparing", "reading"):
        part = phrase.removeprefix(f"{verb} ")
        if part != phrase and " " not in part:
            return words.message(f"models_{verb}", part=part)
    return {"key": "", "arguments": {}, "text": phrase}


def round_trip(value: insides.RoundTrip) -> dict:
    names = ("picture", "state", "again", "difference", "tiny")
    pictures = {name: _data(getattr(value, name)) for name in names}
    return {**asdict(value), **pictures, "source": stream.png(value.picture)}


def forward(value: insides.Forward) -> dict:
    names = ("picture", "xt", "x0", "variance")
    pictures = {name: _data(getattr(value, name)) for name in names}
    return {**asdict(value), **pictures}


def attention(value: insides.Attention) -> dict:
    """The maps of a group one behind the other, in base64."""
    pictures = {name: _data(getattr(value, name)) for name in ("picture", "xt", "x0")}
    heats = [
        {**asdict(heat), "maps": base64.b64encode(b"".join(heat.maps)).decode()}
        for heat in value.heats
    ]
    return {**asdict(value), **pictures, "heats": heats}


def gates(value: insides.Gates) -> dict:
    return asdict(value)


def _data(png: bytes) -> str:
    return light(png) if png else ""
