"""A request's rows: what each is conditioned on, before a checkpoint encodes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from studio.checkpoints.conditions import Asked
from studio.contract import Request


def rows(request: Request) -> dict[str, Asked]:
    """The rows "cond" and "uncond" of a resolved request."""
    g, framed = request.guidance, request.framing
    both = Asked(
        size=(request.width, request.height),
        original=framed.original,
        crop=framed.crop,
        target=framed.target,
        strength=g.scale if g.kind == "embedded" else 0.0,
    )
    prompt, negative = request.prompt, request.negative_prompt
    return {
        "cond": replace(both, text=prompt, label=request.label, score=framed.score),
        "uncond": replace(both, text=negative, negative=True, score=framed.negative_score),
    }


def even(asked: Mapping[str, Asked], checkpoint: Any) -> dict[str, Asked]:
    """The rows, read in as many pieces as the longest of them needs: they share their forwards.

    Only some families read a long prompt in pieces. Raises BadRequest where it needs too many.
    """
    if not hasattr(checkpoint, "pieces"):
        return dict(asked)
    most = max(checkpoint.pieces(row.text) for row in asked.values())
    return {name: replace(row, pieces=most) for name, row in asked.items()}
