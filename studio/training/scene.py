"""The little world of a comparison: some well-known concepts out of the packed data, one drawing of
each held out, as latents of the shipped autoencoder.
"""

from pathlib import Path

import numpy as np
import torch

from studio.errors import BadData
from studio.metrics import looks
from studio.training import latents, wellknown
from studio.training.dataset import IconData
from studio.training.judging import Scene


def split(data: IconData, concepts: int) -> tuple[list[str], list[int], list[int]]:
    """(slugs, train, held): the core concepts that most sets draw, every unheld row of them, and
    of each concept one drawing for validation, by another set from one concept to the next.
    """
    drawn: dict[str, list[int]] = {}
    for row, record in enumerate(data.records):
        if not record.held:
            drawn.setdefault(record.concept, []).append(row)
    core = [slug for slug in wellknown.core() if len(drawn.get(slug, ())) > 1]
    slugs = sorted(core, key=lambda slug: -len(drawn[slug]))[:concepts]
    if not slugs:
        raise BadData(
            "No well-known concept is drawn by two sets; run `python -m studio train data`."
        )
    held = [drawn[slug][number % len(drawn[slug])] for number, slug in enumerate(slugs)]
    train = [row for slug in slugs for row in drawn[slug] if row not in held]
    return slugs, train, held


@torch.no_grad()
def build(data: IconData, vae, concepts: int, folder: Path) -> Scene:
    """The scene, its latents kept in `folder`; training rows come twice, the second time
    mirrored.
    """
    slugs, train, held = split(data, concepts)
    place = {slug: number for number, slug in enumerate(slugs)}
    labels = torch.tensor([place[data.records[row].concept] for row in train])
    kept = folder / f"latents-{concepts}.pt"
    if kept.is_file():
        found = torch.load(kept, weights_only=True)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        mirrored = np.ascontiguousarray(data.pixels[train][:, :, ::-1])
        found = {
            "train": latents.encode(vae, data.pixels, train),
            "mirrored": latents.encode(vae, mirrored, list(range(len(train)))),
            "held": latents.encode(vae, data.pixels, held),
        }
        torch.save(found, kept.with_suffix(".partial"))
        kept.with_suffix(".partial").replace(kept)
    return Scene(
        names=tuple(data.concepts[slug].name for slug in slugs),
        latents=torch.cat([found["train"], found["mirrored"]]),
        labels=labels.repeat(2),
        held=found["held"],
        held_labels=torch.arange(len(slugs)),
        vae=vae,
        gallery=np.stack([looks.describe(data.pixels[row]) for row in train]),
        gallery_labels=tuple(labels.tolist()),
    )


@torch.no_grad()
def others(data: IconData, vae, concepts: int, count: int, folder: Path) -> torch.Tensor:
    """Latents of about `count` drawings of concepts outside the scene, evenly out of all, kept in
    `folder`.
    """
    kept = folder / f"latents-beside-{concepts}.pt"
    if not kept.is_file():
        inside = set(split(data, concepts)[0])
        rows = [row for row in data.train_rows() if data.records[row].concept not in inside]
        some = rows[:: max(1, len(rows) // count)][:count]
        torch.save(latents.encode(vae, data.pixels, some), kept.with_suffix(".partial"))
        kept.with_suffix(".partial").replace(kept)
    return torch.load(kept, weights_only=True)
