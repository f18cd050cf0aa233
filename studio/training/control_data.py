"""What a control network is trained on and judged by: pictures the denoiser knows and pictures it
does not, each as it is and mirrored, and held-out pictures for the sheets and figures.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from studio.imaging.preprocessors import PREPROCESSORS, three
from studio.metrics import edges
from studio.training import hints, latents, samples, subset
from studio.training.autoencoder import to_pixels
from studio.training.conditioning import prompt_states, written
from studio.training.control import steered
from studio.training.dataset import IconData
from studio.training.sheet import save_sheet
from studio.training.unet import Cache


def weigh(data: IconData, known: float, concepts: int | None) -> tuple[list[int], list[float]]:
    """(rows, weights) of every training picture. Those that the denoiser was trained on get `known`
    of the draws: there it can draw what the hint shows. The others teach what a line means.
    """
    rows = data.train_rows()
    if concepts is None:
        return rows, [1.0] * len(rows)
    taught = dict(zip(*subset.choose(data, concepts), strict=True))
    total, others = sum(taught.values()), len(rows) - len(taught)
    if not taught or not others:
        return rows, [1.0] * len(rows)
    rest = (1 - known) / others
    return rows, [known * taught[row] / total if row in taught else rest for row in rows]


def cached(
    data: IconData,
    rows: list[int],
    weights: list[float],
    parts: tuple,
    path: Path,
    *,
    variants: int,
    seed: int,
    device: str,
) -> Cache:
    """Latents and text states; from `path` where they were made before of the same rows and
    captions. `parts`: (VAE, text encoder, tokenizer).
    """
    vae, model, tokens = parts
    texts, chosen = written(data, rows, variants, seed)
    key = hashlib.sha256(repr((rows, texts)).encode()).hexdigest()
    kept = torch.load(path, weights_only=True) if path.is_file() else {"key": None}
    if kept["key"] != key:
        made = {"key": key, "latents": _latents(vae, data, rows, device)}
        kept = made | {"states": prompt_states(model, tokens, texts).half()}
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(kept, path)
    return Cache(
        latents=kept["latents"],
        states=kept["states"],
        captions=chosen.repeat(2, 1),
        weights=torch.tensor(weights).repeat(2),
    )


def _latents(vae, data: IconData, rows: list[int], device: str) -> torch.Tensor:
    """Of the pictures and then of the mirrored ones, (2N, C, h, w); two batches at a time."""

    def one(part: tuple[bool, list[int]]) -> torch.Tensor:
        mirrored, some = part
        pixels = data.pixels[some]
        pixels = np.ascontiguousarray(pixels[:, :, ::-1] if mirrored else pixels)
        return latents.encode(vae, pixels, list(range(len(some))), device=device)

    parts = [(m, rows[i : i + 64]) for m in (False, True) for i in range(0, len(rows), 64)]
    with ThreadPoolExecutor(2) as pool:
        return torch.cat(list(pool.map(one, parts)))


@dataclass(frozen=True, slots=True)
class Score:
    """Means over `count` pictures of the edges' F1, precision and recall."""

    f1: float
    precision: float
    recall: float
    count: int

    def __str__(self) -> str:
        return f"F1 {self.f1:.3f}, precision {self.precision:.3f}, recall {self.recall:.3f}"


@dataclass(frozen=True, slots=True)
class Held:
    """Pictures that no training saw, their hints and prompts, and the noise they are drawn from."""

    pictures: np.ndarray  # (N, H, W, 3) uint8
    shown: np.ndarray  # (N, H, W) uint8: the hints
    given: np.ndarray  # (N, H, W) uint8: their lines, one pixel wide
    names: tuple[str, ...]
    states: torch.Tensor  # (1 + N, T, D): row 0 is the empty prompt
    noise: torch.Tensor  # (N, C, h, w)
    known: int  # so many, the first ones, are of concepts that the denoiser was taught

    def head(self, count: int) -> "Held":
        """The first `count` of them."""
        shown, given = self.shown[:count], self.given[:count]
        states, noise = self.states[: count + 1], self.noise[:count]
        names, known = self.names[:count], min(self.known, count)
        return Held(self.pictures[:count], shown, given, names, states, noise, known)


def held(data: IconData, kind: str, taught: set[str], count: int, parts: tuple, seed: int) -> Held:
    """Held-out pictures of concepts that the denoiser was taught, in other styles, and then of
    others; all of them where fewer than `count` are held out.
    """
    vae, model, tokens = parts
    rows = [i for i, r in enumerate(data.records) if r.held]
    rows = sorted(rows, key=lambda i: data.records[i].concept not in taught)[:count]
    names = tuple(data.concepts[data.records[i].concept].name for i in rows)
    pictures = np.ascontiguousarray(data.pixels[rows])
    g, side = torch.Generator().manual_seed(seed), pictures.shape[1] // 8
    return Held(
        pictures,
        np.stack([PREPROCESSORS[kind](picture)[..., 0] for picture in pictures]),
        np.stack([hints.lines(kind, picture) for picture in pictures]),
        names,
        prompt_states(model, tokens, ["", *names]),
        torch.randn((len(rows), vae.config.latent_channels, side, side), generator=g),
        sum(data.records[i].concept in taught for i in rows),
    )


@torch.no_grad()
def generate(
    base, control, vae, some: Held, steps: int, guidance: float = 3.5, strength: float = 1.0
) -> np.ndarray:
    """One picture a hint, (N, H, W, 3) uint8, guided; without the control where it is None."""
    made, states = [], some.states.to(base.device)
    for first in range(0, len(some.names), 8):
        part = slice(first, first + 8)
        hint = torch.from_numpy(some.shown[part]).to(base.device).float() / 255
        hint = hint[:, None].expand(-1, 3, -1, -1).contiguous()
        predict = base if control is None else steered(base, control, hint, strength)
        z = samples.sample(
            predict, states[1:][part], states[:1], some.noise[part].to(base.device), steps, guidance
        )
        made.append(to_pixels(vae.decode(z).sample))
    return np.concatenate(made)


def score(pictures: np.ndarray, some: Held) -> Score:
    """How well the Canny edges of the pictures fit the hints' lines, picture by picture; of the
    first pictures where there are fewer than hints.
    """
    found = [
        edges.match(PREPROCESSORS["canny"](picture)[..., 0], given)
        for picture, given in zip(pictures, some.given, strict=False)
    ]
    if not found:
        return Score(0.0, 0.0, 0.0, 0)
    means = [
        sum(values) / len(found)
        for values in zip(*((m.f1, m.precision, m.recall) for m in found), strict=True)
    ]
    return Score(*means, len(found))


def draw(path: Path, some: Held, followed: np.ndarray, free: np.ndarray) -> None:
    """hint | with control | without | real, two pictures a row."""
    tiles, words = [], []
    for i, name in enumerate(some.names):
        tiles += [three(some.shown[i]), followed[i], free[i], some.pictures[i]]
        words += [name, "with control", "without", "real"]
    save_sheet(path, tiles, words, 8)
