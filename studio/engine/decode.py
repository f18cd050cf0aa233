"""Final states to pictures, one at a time, and recorded states to frames.

One picture a call, so that the loop can serve others in between, so that a batch's pictures
are decoded exactly as they would be alone.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

import numpy as np
from torch import Tensor

from studio.checkpoints.checkpoint import Checkpoint
from studio.contract import What
from studio.engine.batcher import attempt
from studio.engine.previews import Painter
from studio.engine.recording import Recording, eps
from studio.errors import NotFound, OutOfMemory
from studio.imaging.tensors import to_rgb

WHOLE = 2**20  # pixels that are decoded at once: of more, the decoder's states fill a memory
GONE = "This run's recording is no longer kept; run its recipe again to see its steps."


def picture(checkpoint: Checkpoint, state: Tensor) -> np.ndarray:
    """One state (1, C, h, w) → (H, W, 3) uint8; in tiles when it is large or does not fit whole."""
    pixels = state.shape[2] * state.shape[3] * checkpoint.latent.down**2
    for tiled in (False, True) if pixels <= WHOLE else (True,):
        decoded = attempt(partial(checkpoint.decode, state, tiled=tiled))
        if decoded is not None:
            return to_rgb(decoded)[0]
    raise OutOfMemory("The device had no room to decode this picture; make it smaller.")


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the places 0 … count - 1, evenly apart, the first and the last included."""
    if count <= most:
        return list(range(count))
    return [round(k * (count - 1) / (most - 1)) for k in range(most)]


def frames(
    painter: Painter, recording: Recording, what: What, index: int, steps: Sequence[int]
) -> Generator[None, None, list[np.ndarray]]:
    """The RGB frames (H, W, 3) of some recorded steps; yields between two of them.

    x̂0 goes through the full decoder, x_t and ε̂ are drawn as their live previews are. Raises
    NotFound for steps or pictures that are not, or no longer, recorded.
    """
    out = []
    for step in steps:
        if recording.freed:
            raise NotFound(GONE)
        if not 0 <= step < len(recording.levels):
            raise NotFound(f"This run recorded {len(recording.levels)} steps; there is no {step}.")
        xt, x0 = recording.xt[step], recording.x0[step]
        if not 0 <= index < len(xt):
            raise NotFound(f"This run has no picture {index}.")
        xt, x0 = xt[index : index + 1], x0[index : index + 1]
        device = painter.checkpoint.device
        if what == "x0":
            out.append(picture(painter.checkpoint, x0.float().to(device)))
        elif what == "xt":
            out.append(painter.state(xt.float().to(device))[0])
        else:
            out.append(painter.state(eps(xt, x0, recording.levels[step]).to(device))[0])
        yield
    return out
