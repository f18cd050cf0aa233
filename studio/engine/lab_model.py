"""What a checkpoint knows at a noise level, and the way from a picture to its noise and back.

Jobs of the worker's thread, as in `lab_forward`, always in the checkpoint's own state space and
at its own size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from studio import noising
from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Asked, stack
from studio.diffusion.forward import q_sample
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.path import Level, Path
from studio.diffusion.prediction import to_x0_eps
from studio.diffusion.samplers.ask import Answer, Ask, Run
from studio.diffusion.samplers.ddim import ddim
from studio.diffusion.samplers.invert import ddim_inverse, edict, edict_inverse
from studio.diffusion.spacing import levels
from studio.engine import decode
from studio.engine.lab_forward import way
from studio.imaging.encode import jpeg, png, psnr
from studio.imaging.tensors import from_rgb
from studio.noising import Noising

if TYPE_CHECKING:
    from studio.engine.worker import Worker

ROWS = 8  # rows of one forward

Denoise = Callable[[Tensor, Level], tuple[Tensor, Tensor]]


def guesses(
    worker: Worker,
    asked: Noising,
    rgb: np.ndarray,
    shares: tuple[float, ...],
    prompt: str,
    seeds: int,
) -> Iterator[noising.Guess | None]:
    """x̂0 in one step from x_t at each share, and its error over several noises.

    The levels are the schedule's, met by their log-SNR on the path that the checkpoint was
    trained on, within its range.
    """
    checkpoint = worker.checkpoint(asked.model)
    road = way(worker, asked, asked.schedule)
    denoise = denoiser(worker, checkpoint, prompt)
    painter = worker.residents.painter(asked.model)
    x0 = checkpoint.embed(from_rgb(rgb[None])).float()
    noise = KeyedNoise([asked.seed + k for k in range(seeds)], x0.shape[1:]).first().to(x0.device)
    yield None
    for index, share in enumerate(shares):
        level = trained(checkpoint.path, road.level(share).logsnr)
        xt = q_sample(x0, level, noise)
        parts = []
        for part in xt.split(ROWS):
            parts.append(denoise(part, level)[0])
            yield None
        guess = torch.cat(parts)
        errors = (guess - x0).double().square().flatten(1).mean(1)
        spread = float(errors.std() / math.sqrt(seeds)) if seeds > 1 else None
        blind = None
        if not level.blind:
            blind = float((xt / level.alpha - x0).double().square().mean())
        yield noising.Guess(
            index=index,
            total=len(shares),
            share=share,
            logsnr=level.logsnr if math.isfinite(level.logsnr) else None,
            seeds=seeds,
            error=float(errors.mean()),
            standard_error=spread,
            blind=blind,
            xt=png(painter.squares(xt[:1])[0]),
            x0=png(decode.picture(checkpoint, guess[:1])),
        )


def invert(
    worker: Worker, asked: Noising, rgb: np.ndarray, method: str, steps: int, prompt: str
) -> Iterator[noising.Inverting | noising.Inverted | None]:
    """Picture → noise → picture along the checkpoint's own path, without guidance.

    DDIM's inversion asks for eps at the wrong state, so it returns only nearly; EDICT's pair of
    states returns to rounding. States are float64; the network answers in float32.
    """
    checkpoint = worker.checkpoint(asked.model)
    denoise = denoiser(worker, checkpoint, prompt)
    painter = worker.residents.painter(asked.model)
    x0 = checkpoint.embed(from_rgb(rgb[None])).double()
    down = [level for level in levels(checkpoint.path, steps, "trailing") if not level.blind]
    up = down[::-1]
    each = 2 if method == "edict" else 1
    total = 2 * each * (len(down) - 1)
    done = 0

    def drive(run: Run, back: bool) -> Generator[noising.Inverting, None, Any]:
        nonlocal done
        try:
            ask = next(run)
            while True:
                answer = _answer(denoise, ask)
                done += 1
                yield noising.Inverting(done, total, back, jpeg(painter.squares(ask.x.float())[0]))
                ask = run.send(answer)
        except StopIteration as end:
            return end.value

    path = checkpoint.path
    if method == "edict":
        found, twin = yield from drive(edict_inverse(x0, path, up), False)
        again, _ = yield from drive(edict(found, path, down, y=twin), True)
    else:
        found = yield from drive(ddim_inverse(x0, path, up), False)
        again = yield from drive(ddim(found, path, down, noise=_none), True)
    original = decode.picture(checkpoint, x0.float())
    yield None
    picture = decode.picture(checkpoint, again.float())
    yield noising.Inverted(
        method=method,
        steps=steps,
        evaluations=done,
        original=png(original),
        noise=png(painter.squares(found.float())[0]),
        picture=png(picture),
        rmse=float((again - x0).square().mean().sqrt()),
        psnr=psnr(original, picture),
        mean=float(found.mean()),
        std=float(found.std(correction=0)),
    )


def denoiser(worker: Worker, checkpoint: Checkpoint, prompt: str) -> Denoise:
    """(x, level) → (x̂0, ε̂) in the dtype of x, conditional on the prompt, without guidance."""
    condition = worker.residents.condition(checkpoint, Asked(prompt))

    def denoise(x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
        conditions = stack([condition] * len(x))
        raw = checkpoint.predict(x.float(), [level.t] * len(x), conditions)
        raw = raw[:, : x.shape[1]].to(x.dtype)  # without a learned variance's channels
        return to_x0_eps(checkpoint.prediction, raw, x, level)

    return denoise


def trained(path: Path, logsnr: float) -> Level:
    """The level of this log-SNR, or the nearest that the path's networks were trained at."""
    low, high = path.level(path.T).logsnr, path.level(0.0 if path.kind == "vp" else 1.0).logsnr
    return path.at(min(max(logsnr, low), high))


def _answer(denoise: Denoise, ask: Ask) -> Answer:
    return Answer(ask.x, *denoise(ask.x, ask.level))


def _none(step: int, stage: int) -> None:
    raise AssertionError("a deterministic sampler draws no noise")
