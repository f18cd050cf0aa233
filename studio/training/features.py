"""The features that the evaluation measures with: a small network learns to name the concept of a
picture, whatever set drew it, and is frozen.

It sees the training pictures only, moved, scaled, mirrored, tinted, blurred and with noise on
them; no generator's and no autoencoder's output, so that it judges what it never helped to make.
How often held-out pictures find their own concept says how well it does that.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from studio.metrics.icon_net import SIDE, WEIGHTS, WIDTHS, IconNet, prepared
from studio.training import arguments, dataset, loop
from studio.training.cli import with_steps
from studio.training.dataset import IconData
from studio.training.fit import fit

KEPT = 64  # pixels a side of the pictures that batches are drawn from


@dataclass(frozen=True, slots=True)
class Config:
    widths: tuple[int, ...] = WIDTHS
    batch: int = 64
    steps: int = 900
    lr: float = 0.02
    adam_lr: float = 2e-3
    smooth: float = 0.1  # of the labels
    ema: float = 0.995
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Cache:
    """Pictures (N, 3, 64, 64) uint8 and the places of their concepts among all (N,) int64."""

    pictures: torch.Tensor
    labels: torch.Tensor


def cached(data: IconData) -> Cache:
    """Every training picture, averaged down."""
    rows, place = data.train_rows(), {slug: i for i, slug in enumerate(data.concepts)}
    small = []
    for first in range(0, len(rows), 256):
        x = torch.from_numpy(np.ascontiguousarray(data.pixels[rows[first : first + 256]]))
        x = F.interpolate(x.permute(0, 3, 1, 2).float(), size=(KEPT, KEPT), mode="area")
        small.append(x.round().to(torch.uint8))
    labels = [place[data.records[row].concept] for row in rows]
    return Cache(torch.cat(small), torch.tensor(labels))


def changed(x: torch.Tensor, g: torch.Generator) -> torch.Tensor:
    """Pictures (B, 3, h, w) in [-1, 1], white beyond their edges → (B, 3, 48, 48), each changed in
    its own way, by no more than leaves its concept what it was.
    """
    count = len(x)

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand((count, *shape), generator=g)

    turn, size = draw(-0.25, 0.25), draw(0.8, 1.35)
    mirror = torch.where(torch.rand(count, generator=g) < 0.5, -1.0, 1.0)
    shift = draw(-0.15, 0.15, 2)
    across = torch.stack([mirror * turn.cos(), -turn.sin(), shift[:, 0] / size], 1)
    down = torch.stack([mirror * turn.sin(), turn.cos(), shift[:, 1] / size], 1)
    grid = F.affine_grid(
        torch.stack([across, down], 1) * size[:, None, None], (count, 3, SIDE, SIDE), False
    )
    ink = F.grid_sample(1 - x, grid, align_corners=False)  # what lies outside is 0: white
    y = 1 - ink * draw(0.75, 1.2, 1, 1, 1) * draw(0.85, 1.15, 3, 1, 1)
    coarse = F.interpolate(F.avg_pool2d(y, 2), size=(SIDE, SIDE), mode="bilinear")
    y = torch.lerp(y, coarse, draw(0.0, 1.0, 1, 1, 1))
    y = y + draw(0.0, 0.15, 1, 1, 1) * torch.randn(y.shape, generator=g)
    return y.clamp(-1, 1).contiguous(memory_format=torch.channels_last)


def draw_batch(cache: Cache, n: int, config: Config, seed: int) -> tuple[torch.Tensor, ...]:
    """Step n's (pictures, labels)."""
    g = loop.generator(seed, n)
    rows = torch.randint(len(cache.labels), (config.batch,), generator=g)
    return changed(cache.pictures[rows].float() / 127.5 - 1, g), cache.labels[rows]


def train(
    cache: Cache,
    concepts: int,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
) -> IconNet:
    """The averaged network; resumes from `folder`."""
    torch.manual_seed(seed)
    model, shown = (
        IconNet(concepts, config.widths).to(device, memory_format=torch.channels_last)
        for _ in range(2)
    )

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(cache, n, config, seed)

    def loss(x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x).logits, label, label_smoothing=config.smooth)

    return fit(model, shown, draw, loss, folder, config, device=device, pace=pace).eval()


def save(model: IconNet, file: Path) -> None:
    """The weights in float16."""
    from safetensors.torch import save_file

    state = {name: t.half().contiguous() for name, t in model.state_dict().items()}
    save_file(state, file)


def run(args: argparse.Namespace) -> int:
    """`train features`: the weights lie in the run's folder; shipped ones are copied from there."""
    data, config = dataset.load(args.data), with_steps(RECIPES[args.config], args)
    folder, kind = args.runs / "features", {"seed": args.seed, "device": args.device}
    pace = arguments.pace(config, args)
    model = train(cached(data), len(data.concepts), folder, config, **kind, pace=pace).cpu()
    save(model, folder / WEIGHTS.name)
    first, five, held = found(model, data)
    print(
        f"wrote {folder / WEIGHTS.name}; of {held} held-out pictures {first:.1%} find their "
        f"concept in the nearest training picture, {five:.1%} among the five nearest"
    )
    return 0


@torch.no_grad()
def found(model: IconNet, data: IconData) -> tuple[float, float, int]:
    """The share of held-out pictures whose concept is among the 1 and the 5 nearest training
    pictures, and how many were held out.
    """
    rows = data.train_rows()
    held = [i for i, record in enumerate(data.records) if record.held]

    def described(some: list[int]) -> torch.Tensor:
        parts = [some[i : i + 64] for i in range(0, len(some), 64)]
        pictures = (torch.from_numpy(np.ascontiguousarray(data.pixels[part])) for part in parts)
        return torch.cat([model(prepared(p)).features for p in pictures])

    near = (described(held) @ described(rows).T).topk(5).indices.tolist()
    asked = [data.records[i].concept for i in held]
    shown = [[data.records[rows[place]].concept for place in places] for places in near]
    first = sum(some[0] == concept for some, concept in zip(shown, asked, strict=True))
    five = sum(concept in some for some, concept in zip(shown, asked, strict=True))
    return first / len(held), five / len(held), len(held)


RECIPES = {
    "smoke": Config(widths=(8, 8, 16), batch=4, steps=2),
    "small": Config(),
    "full": Config(batch=256, steps=20_000),
}
