"""A request's rows: what each is conditioned on, before a checkpoint encodes it."""

from __future__ import annotations

from studio.checkpoints.conditions import Asked
from studio.contract import Request


def rows(request: Request) -> dict[str, Asked]:
    """The rows "cond" and "uncond" of a resolved request."""
    size, strength = (request.width, request.height), 0.0
    if request.guidance.kind == "embedded":
        strength = request.guidance.scale
    return {
        "cond": Asked(request.prompt, label=request.label, size=size, strength=strength),
        "uncond": Asked(request.negative_prompt, negative=True, size=size, strength=strength),
    }
