"""What the Models tab's page asks the server between clicks, as data.

A checkpoint is asked for by its opaque id: no answer takes or gives a path.
"""

from __future__ import annotations

import base64
from binascii import Error as NotBase64
from collections.abc import Callable
from typing import Any

from studio.contract import Engine
from studio.errors import BadPicture, BadRequest, StudioError
from studio.imaging.pictures import MAX_FILE
from studio.ui import models_messages, noise_messages, stream

MAX_FITS = 64  # checkpoints whose arithmetic is done for the list
NO_PICTURE = "This file is not a PNG, JPEG or WebP picture; choose one of those."


def for_tab(engine: Engine) -> list[Callable]:
    """Every question of the tab but the long ones that are streamed."""
    return [_answered(question) for question in (*_holdings(engine), *_insides(engine))]


def _answered(question: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """A server function that answers with a sentence where it would raise."""

    def answer(ask: Any) -> dict:
        try:
            return question(ask if isinstance(ask, dict) else {})
        except Exception as error:
            return {"problem": stream.problem(error)}

    answer.__name__ = question.__name__
    return answer


def _holdings(engine: Engine) -> tuple[Callable, ...]:
    stock = engine.holdings

    def here(ask: dict) -> dict:
        """What is here, without asking the device."""
        return {
            "models": [models_messages.row(info) for info in engine.catalog()],
            "refused": [models_messages.refused(value) for value in stock.refused()],
            "controls": [models_messages.control(info) for info in engine.steering.controls()],
            "default": engine.default_model(),
        }

    def fits(ask: dict) -> dict:
        """The plan for each checkpoint that is not loaded; nothing for one that has none."""
        plans = {}
        for info in engine.catalog()[:MAX_FITS]:
            try:
                plans[info.id] = "" if info.loaded else stock.fit(info.id).plan
            except StudioError:
                plans[info.id] = ""
        return {"plans": plans}

    def about(ask: dict) -> dict:
        return {"details": models_messages.details(stock.details(_id(ask)))}

    def fit(ask: dict) -> dict:
        return {"fit": models_messages.fit(stock.fit(_id(ask)))}

    def memory(ask: dict) -> dict:
        return {"memory": models_messages.memory(stock.memory())}

    def unload(ask: dict) -> dict:
        stock.unload(_id(ask))
        return {}

    def rescan(ask: dict) -> dict:
        return {"count": stock.rescan()}

    def offer(ask: dict) -> dict:
        repo, revision = str(ask.get("repo", "")), str(ask.get("revision", ""))
        return {"offer": models_messages.offer(stock.offer(repo.strip(), revision.strip()))}

    return here, fits, about, fit, memory, unload, rescan, offer


def _insides(engine: Engine) -> tuple[Callable, ...]:
    inside = engine.insides

    def round_trip(ask: dict) -> dict:
        return {"trip": models_messages.round_trip(inside.round_trip(_id(ask), _picture(ask)))}

    def forward(ask: dict) -> dict:
        share, prompt = ask.get("share"), ask.get("prompt", "")
        made = inside.forward(_id(ask), _picture(ask), share, prompt)
        return {"forward": models_messages.forward(made)}

    def gates(ask: dict) -> dict:
        return {"gates": models_messages.gates(inside.gates(_id(ask)))}

    def attention(ask: dict) -> dict:
        share, prompt = ask.get("share"), ask.get("prompt", "")
        made = inside.attention(_id(ask), _picture(ask), share, prompt)
        return {"attention": models_messages.attention(made)}

    return round_trip, forward, gates, attention


def _id(ask: dict) -> str:
    id = ask.get("id")
    if not isinstance(id, str):
        raise BadRequest("Choose a checkpoint first.")
    return id


def _picture(ask: dict) -> bytes:
    """A bundled picture by its name, or the bytes of a data URI. Raises BadPicture."""
    bundled = noise_messages.bundled()
    if isinstance(ask.get("name"), str) and ask["name"] in bundled:
        return bundled[ask["name"]]
    return _bytes(ask.get("source"))


def _bytes(source: Any) -> bytes:
    head, _, data = str(source or "").partition(",")
    if not head.startswith("data:") or len(data) > MAX_FILE * 4 // 3 + 4:
        raise BadPicture(NO_PICTURE)
    try:
        return base64.b64decode(data, validate=True)
    except (NotBase64, ValueError):
        raise BadPicture(NO_PICTURE) from None
