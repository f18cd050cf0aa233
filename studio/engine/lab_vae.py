"""A picture through a checkpoint's autoencoder and back, with its error. Jobs of the worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from studio.engine import decode
from studio.engine.jobs import Job
from studio.imaging.encode import png, psnr
from studio.imaging.tensors import from_rgb, to_rgb
from studio.insides import RoundTrip
from studio.metrics.distance import REACH, rmse, ssim

if TYPE_CHECKING:
    from studio.engine.worker import Worker

GAINS = (1, 2, 4, 8, 16, 32)
BRIGHT = 230.0  # grey levels that the larger differences may reach when they are multiplied
Made = TypeVar("Made")


def round_trip(worker: Worker, id: str, rgb: np.ndarray) -> Job:
    """The picture (H, W, 3) uint8 to the mean of its posterior, and back by the full decoder."""
    checkpoint = worker.checkpoint(id)
    painter = worker.residents.painter(id)
    yield
    state, encode_ms = _timed(lambda: checkpoint.embed(from_rgb(rgb[None])).float())
    yield
    again, decode_ms = _timed(lambda: decode.picture(checkpoint, state))
    yield
    tiny, tiny_ms = None, None
    if checkpoint.tiny is not None:
        made, tiny_ms = _timed(lambda: to_rgb(checkpoint.tiny(state)))
        tiny = made[0]
    apart, gain = difference(rgb, again)
    return RoundTrip(
        id=id,
        side=rgb.shape[0],
        latent=tuple(state.shape[1:]),
        picture=png(rgb),
        state=png(painter.squares(state)[0]),
        again=png(again),
        difference=png(apart),
        gain=gain,
        rmse=rmse(rgb, again),
        psnr=psnr(rgb, again),
        ssim=ssim(rgb, again) if min(rgb.shape[:2]) > 2 * REACH else None,
        mean=float(state.mean()),
        std=float(state.std(correction=0)),
        fewer=rgb.size / state.numel(),
        encode_ms=encode_ms,
        decode_ms=decode_ms,
        tiny=png(tiny) if tiny is not None else b"",
        tiny_psnr=psnr(rgb, tiny) if tiny is not None else None,
        tiny_ms=tiny_ms,
    )


def difference(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, int]:
    """|a − b| of two pictures (H, W, 3) uint8, times the gain that lets most of it be seen.

    The gain is the largest at which 99 % of the values stay under white.
    """
    apart = np.abs(a.astype(np.int32) - b.astype(np.int32))
    high = max(float(np.quantile(apart, 0.99)), 1.0)
    gain = max(g for g in GAINS if g == 1 or g * high <= BRIGHT)
    return np.minimum(apart * gain, 255).astype(np.uint8), gain


def _timed(call: Callable[[], Made]) -> tuple[Made, float]:
    start = time.perf_counter()
    return call(), 1000 * (time.perf_counter() - start)
