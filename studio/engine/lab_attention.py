"""Where a network looks for each token of the prompt, in one forward. A job of the worker's thread.

Probabilities are averaged over heads, and over layers of one resolution, or over thirds of the
depth where all have the same; maps are the positions' own, each to be drawn as a square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.spoken import Said
from studio.diffusion.forward import q_sample
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.prediction import to_x0_eps
from studio.engine import decode
from studio.engine.jobs import Job
from studio.engine.lab_heeding import Heeded, heeding, readers
from studio.engine.lab_map import network
from studio.errors import BadRequest
from studio.imaging.encode import png
from studio.imaging.tensors import from_rgb
from studio.insides import Attention, Heat, Token

if TYPE_CHECKING:
    from studio.engine.worker import Worker

LEAST = 1e-3  # share of T that counts as t = 0 for a flow, whose network never saw 0
MOST = 96  # tokens that get a map
THIRDS = ("first", "middle", "last")
_ADDED = ("addition_embed", "class_embed")
TEXT_FIRST = ("flux",)  # families whose joint layers have the text before the picture


def attention(
    worker: Worker, id: str, rgb: np.ndarray, share: float, prompt: str, seed: int
) -> Job:
    """x_t of the picture at t = share·T through the network once, and what it gave to the text."""
    checkpoint = worker.checkpoint(id)
    found = readers(network(checkpoint))
    said: Any = getattr(checkpoint, "said", None)
    if not found.layers or said is None:
        raise BadRequest(f"{checkpoint.entry.title} attends to no text: it has no maps of words.")
    yield
    condition = worker.residents.condition(checkpoint, Asked(prompt))
    spoken = said(prompt)
    x0 = checkpoint.embed(from_rgb(rgb[None])).float()
    level = checkpoint.path.level(max(share, LEAST) * checkpoint.path.T)
    xt = q_sample(x0, level, KeyedNoise([seed], x0.shape[1:]).first().to(x0.device))
    yield
    text_first = checkpoint.entry.family in TEXT_FIRST
    with heeding(found, len(spoken), text_first) as heard:
        raw = checkpoint.predict(xt, [level.t], stack([condition])).float()
    yield
    guess, _ = to_x0_eps(checkpoint.prediction, raw[:, : x0.shape[1]], xt, level)
    tokens, places, unshown = tokens_of(spoken)
    return Attention(
        id=id,
        share=share,
        t=level.t,
        logsnr=level.logsnr if math.isfinite(level.logsnr) else None,
        kind=found.kind,
        heads=max((each.heads for each in heard), default=0),
        pooled=_is_pooled(network(checkpoint)),
        side=rgb.shape[0],
        picture=png(rgb),
        xt=png(worker.residents.painter(id).squares(xt)[0]),
        x0=png(decode.picture(checkpoint, guess)),
        tokens=tokens,
        heats=heats(heard, places),
        unshown=unshown,
    )


def _is_pooled(net: nn.Module) -> bool:
    """Whether the text also joins the time as one vector, beside all attention."""
    joins = any("text" in str(getattr(net.config, f"{name}_type", "")) for name in _ADDED)
    return joins or getattr(net, "time_text_embed", None) is not None


def tokens_of(spoken: Sequence[Said]) -> tuple[tuple[Token, ...], list[list[int]], int]:
    """Tokens to show, the places of each in the text, and how many more there are.

    All padding is one token, at the end.
    """
    shown = [(p, s) for p, s in enumerate(spoken) if s.kind != "padding"]
    tokens = [Token(s.text, s.kind, s.encoder) for _, s in shown[:MOST]]
    places = [[p] for p, _ in shown[:MOST]]
    padding = [p for p, s in enumerate(spoken) if s.kind == "padding"]
    if padding:
        tokens.append(Token("", "padding"))
        places.append(padding)
    return tuple(tokens), places, max(0, len(shown) - MOST)


def heats(heard: Sequence[Heeded], places: Sequence[Sequence[int]]) -> tuple[Heat, ...]:
    """Maps of all layers and of each group. Raises BadRequest where no layer has a square map."""
    each = [_square(one.given, places) for one in heard]
    maps = [one for one in each if one is not None]  # (K, side, side) a layer
    if not maps:
        raise BadRequest("This network's layers have no square grid of positions to draw.")
    sides = sorted({one.shape[1] for one in maps}, reverse=True)
    groups = {"all": maps}
    if len(sides) > 1:
        groups |= {f"{s}×{s}": [one for one in maps if one.shape[1] == s] for s in sides}
    elif len(maps) >= len(THIRDS):
        cuts = [round(k * len(maps) / 3) for k in range(4)]
        groups |= {name: maps[cuts[k] : cuts[k + 1]] for k, name in enumerate(THIRDS)}
    return tuple(_heat(name, group) for name, group in groups.items())


def _square(given: Tensor, places: Sequence[Sequence[int]]) -> Tensor | None:
    """(N, T) → (K, side, side): one map for each group of places; None where N is no square."""
    side = math.isqrt(len(given))
    if side * side != len(given):
        return None
    summed = torch.stack([given[:, list(some)].sum(1) for some in places])
    return summed.reshape(-1, side, side).cpu()


def _heat(name: str, maps: Sequence[Tensor]) -> Heat:
    """The mean of several layers' maps, at the finest of their resolutions."""
    side = max(one.shape[1] for one in maps)
    mean = torch.stack([F.interpolate(one[None], (side, side))[0] for one in maps]).mean(0)
    peaks = mean.amax((1, 2))  # (K,)
    scaled = mean / peaks.clamp(min=1e-12)[:, None, None]
    drawn = (scaled * 255).round().to(torch.uint8).numpy()
    return Heat(
        name=name,
        layers=len(maps),
        rows=side,
        columns=side,
        maps=tuple(one.tobytes() for one in drawn),
        peaks=tuple(peaks.tolist()),
        shares=tuple(mean.mean((1, 2)).tolist()),
    )
