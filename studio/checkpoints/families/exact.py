"""The ideal denoiser of a few hundred pictures: a checkpoint without a network.

Its state is the picture itself, (3, size, size) in [-1, 1] on a variance-preserving path. The
answer is the posterior mean over the pictures, each weighted by how near its caption lies to the
prompt: exact for every sampler, and a lesson in what a perfect model of its training set does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from studio.checkpoints import headers
from studio.checkpoints.checkpoint import Latent, Progress
from studio.checkpoints.conditions import Asked, Condition, Conditions
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.similar import overlap, ranked
from studio.checkpoints.text import TextEncoder
from studio.diffusion.path import Path, from_config, vp
from studio.errors import BadCheckpoint
from studio.prompting import plain

TOP = 8  # captions that take part
TEMPERATURE, THRESHOLD = 0.05, 0.5  # where exact.json names none
OVERLAP_TEMPERATURE, OVERLAP_THRESHOLD = 0.1, 0.3  # of shared words, for want of an encoder
NEGLIGIBLE = 1e-7  # a share that moves no pixel by a float32 rounding
MAX_PICTURES, MAX_SHEET = 4096, 2**25  # sheets have some millions of pixels
SCHEDULE = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}


class ExactIcons:
    """A loaded set of pictures; see `checkpoint.Checkpoint` for what it can do."""

    prediction, variance = "x0", "fixed_small"
    tiny: Callable[[Tensor], Tensor] | None = None

    def __init__(self, entry: Entry, device: str, progress: Progress, others: dict) -> None:
        self.entry, self.device = entry, device
        config = read_json(entry.folder / "exact.json")
        self.latent = Latent(channels=3, down=1)
        self.path = _path(config.get("scheduler", SCHEDULE))
        progress("reading the pictures", 0.2)
        said = _pictures_of(config, entry)
        self.names = tuple(str(p.get("name", p["caption"])) for p in said)
        self.captions = tuple(str(p["caption"]) for p in said)
        self.flat = _read(entry, config, len(said)).flatten(1).to(device)  # (N, 3·H·W)
        self.norms = self.flat.square().sum(1)
        self.bytes = self.flat.numel() * 4
        self.encoder, self.rows = None, None
        other = others.get(str(config.get("text_encoder")))
        if other is not None and (entry.folder / "captions.safetensors").is_file():
            progress("reading the text encoder", 0.6)
            self.encoder = TextEncoder(other.folder, device)
            self.rows = _embeddings(entry, len(said))
        if self.encoder:
            self.temperature = float(config.get("temperature", TEMPERATURE))
            self.threshold = float(config.get("threshold", THRESHOLD))
        else:
            self.temperature, self.threshold = OVERLAP_TEMPERATURE, OVERLAP_THRESHOLD

    def similar(self, prompt: str) -> Tensor:
        """(N,): how near each caption lies to the prompt, 1 at most."""
        words = plain(prompt)
        if self.encoder is None:
            return overlap(words, self.captions)
        return self.rows @ self.encoder.embedding(words)

    def encode(self, asked: Asked) -> Condition:
        """(N,): the logarithm of each picture's weight; all alike for the empty prompt."""
        if not asked.text.strip():
            return {"log_weights": torch.zeros(len(self.captions), device=self.device)}
        scores = self.similar(asked.text)
        best = torch.topk(scores, min(TOP, len(scores)))
        out = torch.full_like(scores, -torch.inf)
        out[best.indices] = best.values / self.temperature
        return {"log_weights": out.log_softmax(0).to(self.device)}

    @torch.no_grad()
    def predict(self, x: Tensor, t: Sequence[float], conditions: Conditions) -> Tensor:
        """As `mixture.ideal_x0`, reading only what has weight: most steps need a few pictures."""
        levels = [self.path.level(min(time, self.path.T)) for time in t]
        a, s = (
            torch.tensor([getattr(lv, name) for lv in levels], device=x.device)[:, None]
            for name in ("alpha", "sigma")
        )
        weights = conditions["log_weights"]  # (R, N)
        ruled_out = torch.isinf(weights).all(0)
        use = torch.nonzero(~ruled_out).flatten()
        Y = self.flat if len(use) == len(self.flat) else self.flat[use]
        logits = (a * (x.flatten(1) @ Y.T) - 0.5 * a * a * self.norms[use]) / (s * s)
        share = (logits + weights[:, use]).softmax(1)  # (R, N)
        heavy = torch.nonzero((share > NEGLIGIBLE).any(0)).flatten()
        return (share[:, heavy] @ Y[heavy]).reshape(x.shape)

    def decode(self, x: Tensor, tiled: bool = False) -> Tensor:
        return x

    def embed(self, pictures: Tensor) -> Tensor:
        return pictures.to(self.device)

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        if not prompt.strip():
            return ()
        return ranked(self.names, self.similar(prompt), count)

    def known(self, prompt: str) -> bool:
        nearest = self.nearest(prompt, 1)
        return not nearest or nearest[0][1] >= self.threshold

    def notes(self, prompt: str) -> tuple[str, ...]:
        out = []
        if prompt.strip() and self.encoder is None:
            out.append("No text encoder is here, so captions were compared by their words.")
        if not self.known(prompt):
            names = [name for name, _ in self.nearest(prompt, 3)]
            out.append(
                f"Nothing like “{prompt.strip()[:80]}” is among these pictures; "
                f"the nearest are {', '.join(names[:-1])} and {names[-1]}."
            )
        return tuple(out)


def load(entry: Entry, device: str, progress: Progress, others: dict[str, Entry]) -> ExactIcons:
    """A folder of pictures with captions; raises BadCheckpoint with a sentence."""
    return ExactIcons(entry, device, progress, others)


def _path(config: dict[str, Any]) -> Path:
    """The path of a scheduler's fields, its noise multiplied by `shift` in sigma_k.

    Large pictures need more noise before they are indistinguishable (Hoogeboom et al. 2023,
    sec. 3.1: log-SNR shifted by 2·ln(64/side) for side × side pixels).
    """
    path = from_config(config)
    shift = float(config.get("shift", 1.0))
    if shift == 1.0:
        return path
    sigma_k = shift * np.exp(np.array(path.log_sigma_k))
    return vp(1.0 / (1.0 + sigma_k**2))


def _pictures_of(config: dict[str, Any], entry: Entry) -> list[dict[str, Any]]:
    said: Any = config.get("pictures")
    sound = isinstance(said, list) and 3 <= len(said) <= MAX_PICTURES
    if not sound or not all(isinstance(p, dict) and "caption" in p for p in said):
        raise BadCheckpoint(f"{entry.id}/exact.json does not list its pictures.")
    return said


def _read(entry: Entry, config: dict[str, Any], count: int) -> Tensor:
    """(N, 3, size, size) in [-1, 1] from the sheets, row by row of tiles."""
    size, tiles = entry.size, []
    for name in config.get("sheets", []):
        file = entry.folder / str(name)
        if file.name != name or file.suffix != ".png" or not file.is_file():
            raise BadCheckpoint(f"{entry.id} names a sheet of pictures that is not there.")
        opened = Image.open(file, formats=["PNG"])
        if opened.width * opened.height > MAX_SHEET:
            raise BadCheckpoint(f"{entry.id} has a sheet of more pixels than any needs.")
        sheet = np.asarray(opened.convert("RGB"))
        rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
        sheet = sheet[: rows * size, : columns * size].reshape(rows, size, columns, size, 3)
        found = sheet.transpose(0, 2, 1, 3, 4).reshape(-1, size, size, 3)
        tiles.append(found[: int(config.get("tiles_per_sheet", len(found)))])
    pictures = np.concatenate(tiles)[:count] if tiles else np.zeros((0, size, size, 3), np.uint8)
    if len(pictures) < count:
        raise BadCheckpoint(f"{entry.id} has {len(pictures)} pictures for {count} captions.")
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def _embeddings(entry: Entry, count: int) -> Tensor:
    """(N, D) float32 of length 1."""
    file = entry.folder / "captions.safetensors"
    headers.read(file)
    rows = next(iter(load_file(file).values())).float()
    if rows.ndim != 2 or len(rows) != count:
        raise BadCheckpoint(f"{entry.id}/captions.safetensors does not fit its captions.")
    if not bool(torch.isfinite(rows).all()):
        raise BadCheckpoint(f"{entry.id}/captions.safetensors holds NaN or infinity.")
    return torch.nn.functional.normalize(rows, dim=1)
