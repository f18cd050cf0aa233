"""Pictures through a checkpoint's autoencoder and back, outside the engine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studio.checkpoints.entry import Entry
from studio.checkpoints.load import load


def round_trip(entry: Entry, others: dict[str, Entry]) -> Callable[[np.ndarray], np.ndarray] | None:
    """Picture (H, W, 3) uint8 → what comes back, alike; None where states are the picture."""
    import torch

    checkpoint = load(entry, "cpu", lambda doing, share: None, others)
    if checkpoint.latent.down == 1:
        return None

    def decode(picture: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.inference_mode():
            y = checkpoint.decode(checkpoint.embed(x))[0]
        levels = (y.clamp(-1, 1) + 1) * 127.5
        return levels.round().to(torch.uint8).permute(1, 2, 0).numpy()

    return decode
