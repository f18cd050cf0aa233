"""One forward of a denoiser looked at from inside: what leaves each block, and the gates over t.

Hooks on the stock networks, for one call. Jobs of the worker's thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Asked, stack
from studio.diffusion.forward import q_sample
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.prediction import to_x0_eps
from studio.engine import decode
from studio.engine.jobs import Job
from studio.engine.lab_map import blocks_of, gates_of, network, places
from studio.errors import BadRequest
from studio.imaging.encode import enlarge_nearest, png
from studio.imaging.tensors import from_rgb
from studio.insides import Block, Forward, Gates

if TYPE_CHECKING:
    from studio.engine.worker import Worker

ROWS = 8  # rows of one forward, when gates are asked for
LEAST = 1e-3  # share of T that counts as t = 0 for a flow, whose network never saw 0


def forward(worker: Worker, id: str, rgb: np.ndarray, share: float, prompt: str, seed: int) -> Job:
    """x_t of the picture at t = share·T through the network once, conditional on the prompt."""
    checkpoint = worker.checkpoint(id)
    net = network(checkpoint)
    yield
    condition = worker.residents.condition(checkpoint, Asked(prompt))
    x0 = checkpoint.embed(from_rgb(rgb[None])).float()
    level = checkpoint.path.level(max(share, LEAST) * checkpoint.path.T)
    noise = KeyedNoise([seed], x0.shape[1:]).first().to(x0.device)
    xt = q_sample(x0, level, noise)
    yield
    left: list[tuple[str, Tensor]] = []
    named = blocks_of(net)
    start = time.perf_counter()
    with listening(named, lambda name, out: left.append((name, out))):
        raw = checkpoint.predict(xt, [level.t], stack([condition])).float()
    ms = 1000 * (time.perf_counter() - start)
    yield
    channels = x0.shape[1]
    guess, _ = to_x0_eps(checkpoint.prediction, raw[:, :channels], xt, level)
    painter = worker.residents.painter(id)
    variance, variances = b"", None
    if raw.shape[1] == 2 * channels and checkpoint.variance == "learned_range":
        variance, variances = drawn_variance(raw[:, channels:], checkpoint.latent.down)
    unet = hasattr(net, "down_blocks")
    return Forward(
        id=id,
        share=share,
        t=level.t,
        logsnr=level.logsnr if math.isfinite(level.logsnr) else None,
        kind="unet" if unet else "transformer",
        blocks=described(left),
        tokens=(0, 0) if unet else token_grid(left[0][1].shape[1], *x0.shape[2:]),
        side=rgb.shape[0],
        picture=png(rgb),
        xt=png(painter.squares(xt)[0]),
        x0=png(decode.picture(checkpoint, guess)),
        ms=ms,
        variance=variance,
        variances=variances,
    )


def gates(worker: Worker, id: str, points: int) -> Job:
    """The gates of each block at `points` times, evenly apart, without a prompt.

    They depend on t and the condition alone, so the state is left at zero.
    """
    checkpoint = worker.checkpoint(id)
    gated = gates_of(network(checkpoint))
    if not gated:
        raise BadRequest(
            f"{checkpoint.entry.title} has no adaLN gates; those are a transformer's, as in DiT."
        )
    yield
    condition = worker.residents.condition(checkpoint, Asked())
    shares = [LEAST + (1 - LEAST) * k / (points - 1) for k in range(points)]
    found: dict[str, list[list[float]]] = {"attention": [], "mlp": []}
    for first in range(0, points, ROWS):
        some = shares[first : first + ROWS]
        heard: dict[str, Tensor] = {}
        modules = {name: gate.module for name, gate in gated.items()}
        with listening(modules, heard.__setitem__):
            _ask(checkpoint, some, condition)
        for kind, rows in found.items():
            each = [g.read(heard[name], kind) for name, g in gated.items()]  # (R, D) a block
            norms = [None if e is None else e.float().square().mean(-1).sqrt() for e in each]
            for row in range(len(some)):
                rows.append([0.0 if n is None else float(n[row]) for n in norms])
        yield
    has_mlp = any(any(row) for row in found["mlp"])
    return Gates(
        id=id,
        shares=tuple(shares),
        attention=tuple(map(tuple, found["attention"])),
        mlp=tuple(map(tuple, found["mlp"])) if has_mlp else (),
    )


@contextmanager
def listening(modules: dict[str, nn.Module], hear: Callable[[str, Tensor], Any]) -> Iterator[None]:
    """Let `hear` have the name and the output of each module that answers, until the end.

    Of several tensors that a block hands on, the last is the picture's stream.
    """

    def hook(name: str) -> Callable:
        def heard(module: nn.Module, args: Any, out: Any) -> None:
            hear(name, _last(out))

        return heard

    hooks = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()


def described(left: list[tuple[str, Tensor]]) -> tuple[Block, ...]:
    """What left each block, in order, with where it stands and what it takes beside its input."""
    where = places([name for name, _ in left])
    return tuple(
        Block(
            name=name,
            where=place,
            shape=tuple(out.shape[1:]),
            rms=float(out.double().square().mean().sqrt()),
            skip=skip,
        )
        for (name, out), (place, skip) in zip(left, where, strict=True)
    )


def token_grid(tokens: int, high: int, wide: int) -> tuple[int, int]:
    """Rows and columns of the square patches into which a state was cut; (0, 0) if it was not so.

    Told from the stream itself: what packs a state before the network says nothing of patches.
    """
    patch = round(math.sqrt(high * wide / tokens))
    if patch < 1 or tokens * patch**2 != high * wide:
        return 0, 0
    return high // patch, wide // patch


def drawn_variance(values: Tensor, down: int) -> tuple[bytes, tuple[float, float, float]]:
    """(1, C, H, W) in about [-1, 1] → the map (v + 1)/2 as PNG; its least, mean and most.

    v interpolates log β̃ and log β (Nichol & Dhariwal 2021, eq. 15).
    """
    share = ((values.float() + 1) / 2).mean(1)[0].cpu()  # (H, W)
    grey = (share.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    rgb = enlarge_nearest(np.repeat(grey[..., None], 3, axis=2), down)
    return png(rgb), (float(share.min()), float(share.mean()), float(share.max()))


def _ask(checkpoint: Checkpoint, shares: list[float], condition: Any) -> None:
    times = [checkpoint.path.level(share * checkpoint.path.T).t for share in shares]
    x = torch.zeros(len(shares), *checkpoint.entry.latent, device=checkpoint.device)
    checkpoint.predict(x, times, stack([condition] * len(shares)))


def _last(out: Any) -> Tensor:
    if isinstance(out, Tensor):
        return out
    held = out.to_tuple() if hasattr(out, "to_tuple") else out
    return [part for part in held if isinstance(part, Tensor)][-1]
