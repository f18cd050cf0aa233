"""The forward process of one picture, on the worker's thread: states, strips, the walk in steps.

Every function is a job: it yields between pieces of work, so that runs go on meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from studio import noising
from studio.checkpoints.checkpoint import Checkpoint
from studio.diffusion.forward import q_sample, q_step
from studio.diffusion.noise import KeyedNoise
from studio.engine import decode, lab_paths
from studio.engine.lab_paths import Way
from studio.engine.previews import Painter
from studio.errors import BadRequest
from studio.imaging.encode import png
from studio.imaging.tensors import from_rgb, to_rgb
from studio.noising import Noising, Schedule

if TYPE_CHECKING:
    from studio.engine.worker import Worker

STEPS_A_PIECE = 20  # of a walk, between two turns of the runs


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What is noised: x0 and eps (1, C, H, W), and how a state is drawn."""

    x0: Tensor
    noise: KeyedNoise
    eps: Tensor
    checkpoint: Checkpoint | None = None  # in latent space
    painter: Painter | None = None

    def draw(self, x: Tensor) -> np.ndarray:
        """One state as (H, W, 3) uint8."""
        return (self.painter.squares(x) if self.painter else to_rgb(x))[0]

    @property
    def square(self) -> float:
        """The mean of x0²."""
        return float(self.x0.double().square().mean())


def bench(worker: Worker, asked: Noising, rgb: np.ndarray) -> Bench:
    """The picture in the space that is asked for."""
    x0, checkpoint, painter = from_rgb(rgb[None]), None, None
    if asked.space == "latent":
        checkpoint = worker.checkpoint(asked.model)
        if checkpoint.latent.down == 1:
            raise BadRequest(
                f"{checkpoint.entry.title} works on pixels and has no latent space; choose pixels."
            )
        painter = worker.residents.painter(asked.model)
        x0 = checkpoint.embed(x0).float()
    noise = KeyedNoise([asked.seed], x0.shape[1:])
    return Bench(x0, noise, noise.first().to(x0.device), checkpoint, painter)


def way(worker: Worker, asked: Noising, schedule: Schedule) -> Way:
    """The way of a schedule, the checkpoint's own where that is meant."""
    own = worker.checkpoint(asked.model).path if schedule.id == lab_paths.OWN else None
    return lab_paths.way(schedule, own)


def process(
    worker: Worker, asked: Noising, rgb: np.ndarray, against: Schedule | None
) -> Generator[None, None, noising.Process]:
    """Everything that the page needs to draw any x_t by itself."""
    b = bench(worker, asked, rgb)
    curves = []
    for schedule in filter(None, (asked.schedule, against)):
        yield
        curves.append(lab_paths.curves(schedule.id, way(worker, asked, schedule), b.square))
    matrix = b.painter.matrix if b.painter else None
    return noising.Process(
        noising=asked,
        shape=tuple(b.x0.shape[1:]),
        x0=_bytes(b.x0),
        eps=_bytes(b.eps),
        picture=png(rgb),
        curves=curves[0],
        against=curves[1] if against else None,
        matrix=None if matrix is None else tuple(tuple(row) for row in matrix.tolist()),
        down=b.checkpoint.latent.down if b.checkpoint else 1,
    )


def strip(
    worker: Worker, asked: Noising, rgb: np.ndarray, shares: tuple[float, ...]
) -> Generator[None, None, noising.Strip]:
    """x_t at each share, all from the same x0 and eps, with its numbers."""
    b, road = bench(worker, asked, rgb), way(worker, asked, asked.schedule)
    rows, frames, pictures = [], [], []
    for share in shares:
        yield
        xt = q_sample(b.x0, road.level(share), b.eps)
        values = xt.double()
        moments = float(values.mean()), float(values.std(correction=0))
        rows.append(lab_paths.row(road, share, b.square, *moments))
        frames.append(png(b.draw(xt)))
        if b.checkpoint:
            pictures.append(png(decode.picture(b.checkpoint, xt)))
    return noising.Strip(tuple(rows), tuple(frames), tuple(pictures))


def frames(
    worker: Worker, asked: Noising, rgb: np.ndarray, shares: tuple[float, ...]
) -> Generator[None, None, list[np.ndarray]]:
    """x_t at each share as (H, W, 3) uint8: pixels as they are, latents through the decoder."""
    out = []
    for xt, b in _states(worker, asked, rgb, shares):
        yield
        out.append(decode.picture(b.checkpoint, xt) if b.checkpoint else b.draw(xt))
    return out


def decoded(
    worker: Worker, asked: Noising, rgb: np.ndarray, shares: tuple[float, ...]
) -> Iterator[noising.Decoded | None]:
    """x_t at each share through the VAE; in pixel space it is the picture itself."""
    for share, (xt, b) in zip(shares, _states(worker, asked, rgb, shares), strict=True):
        picture = decode.picture(b.checkpoint, xt) if b.checkpoint else b.draw(xt)
        yield noising.Decoded(share, png(picture))


def walk(
    worker: Worker, asked: Noising, rgb: np.ndarray, shares: tuple[float, ...]
) -> Iterator[noising.Walked | None]:
    """x_t by T single steps with fresh noise each, in float64, against the closed form."""
    b, road = bench(worker, asked, rgb), way(worker, asked, asked.schedule)
    wanted = {round(share * (road.T - 1)): share for share in shares}
    x0 = b.x0.double()
    x, composed, here = x0, torch.zeros_like(x0), road.path.clean
    for k, there in enumerate(road.levels()):
        if k > max(wanted):
            return
        if not there.clean:
            fresh = b.noise(k).to(x.device).double()
            spread = math.sqrt(lab_paths.beta(here, there))
            kept = there.alpha / here.alpha * here.sigma
            x = q_step(x, here, there, fresh)
            composed = (kept * composed + spread * fresh) / there.sigma
            here = there
        if k in wanted and not there.clean:
            yield _walked(b, wanted[k], k + 1, x, composed, there)
        elif k % STEPS_A_PIECE == 0:
            yield None


def _walked(b: Bench, share: float, steps: int, x: Tensor, composed: Tensor, level) -> object:
    closed = q_sample(b.x0.double(), level, composed)
    return noising.Walked(
        share=share,
        steps=steps,
        picture=png(b.draw(x.float())),
        exact=float((x - closed).abs().max()),
        mean=float(composed.mean()),
        std=float(composed.std(correction=0)),
        ks=kolmogorov(composed.flatten()),
    )


def kolmogorov(values: Tensor) -> float:
    """√n·sup |F_n − Φ| of values (n,) against N(0, 1)."""
    n = len(values)
    under = torch.special.ndtr(values.double().sort().values)
    ranks = torch.arange(n + 1, dtype=torch.float64, device=under.device) / n
    gap = torch.maximum(ranks[1:] - under, under - ranks[:-1]).max()
    return math.sqrt(n) * float(gap)


def _states(
    worker: Worker, asked: Noising, rgb: np.ndarray, shares: tuple[float, ...]
) -> Iterator[tuple[Tensor, Bench]]:
    b, road = bench(worker, asked, rgb), way(worker, asked, asked.schedule)
    for share in shares:
        yield q_sample(b.x0, road.level(share), b.eps), b


def _bytes(x: Tensor) -> bytes:
    return x[0].cpu().contiguous().numpy().astype("<f4").tobytes()
