"""What a comparison's small networks are judged by: losses on fixed noise, and whether a drawn
picture looks like the concept it was asked for. Every figure carries its standard error.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from studio.metrics import looks
from studio.training.autoencoder import to_pixels

APART = 2**40  # seeds that no training step's generator is given


@dataclass(frozen=True, slots=True)
class Scene:
    """The pictures of a comparison as latents (N, C, h, w) and classes (N,): those trained on,
    mirrored ones too, and of each concept one drawing that training never sees.
    """

    names: tuple[str, ...]  # of the classes
    latents: torch.Tensor
    labels: torch.Tensor
    held: torch.Tensor
    held_labels: torch.Tensor
    vae: object
    gallery: np.ndarray  # (M, D): what the training pictures look like, unmirrored
    gallery_labels: tuple[int, ...]
    others: torch.Tensor | None = None  # (K, C, h, w): of other concepts, where a comparison mixes

    @property
    def nothing(self) -> int:
        """The class that stands for none."""
        return len(self.names)


def figure(values: Sequence[float]) -> dict:
    """{"value", "error", "n"}: mean and standard error of independent values."""
    found = np.asarray(values, np.float64)
    count = len(found)
    error = float(found.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return {"value": float(found.mean()), "error": error, "n": count}


def asked(scene: Scene, each: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(labels, noise) of `each` pictures a concept; the same for all that are compared."""
    labels = torch.arange(len(scene.names)).repeat(each)
    shape = (len(labels), *scene.latents.shape[1:])
    return labels, torch.randn(shape, generator=torch.Generator().manual_seed(APART + seed))


@torch.no_grad()
def pictures(scene: Scene, latents: torch.Tensor) -> list[np.ndarray]:
    decoded = [scene.vae.decode(part).sample for part in latents.split(8)]
    return list(to_pixels(torch.cat(decoded)))


def quality(scene: Scene, latents: torch.Tensor, labels: torch.Tensor) -> dict:
    """Retrieval among the training pictures, and `likeness`: the cosine to the nearest training
    picture of the concept asked for. Rows of one concept are averaged first: they are not
    independent.
    """
    kinds = np.asarray(scene.gallery_labels)
    said = {"retrieval_at_1": [], "retrieval_at_5": [], "likeness": []}
    for picture, label in zip(pictures(scene, latents), labels.tolist(), strict=True):
        near = scene.gallery @ looks.describe(picture)
        order = np.argsort(-near, kind="stable")
        said["retrieval_at_1"].append(float(kinds[order[0]] == label))
        said["retrieval_at_5"].append(float((kinds[order[:5]] == label).any()))
        said["likeness"].append(float(near[kinds == label].max()))
    return {name: figure(by_concept(values, labels)) for name, values in said.items()}


def by_concept(values: Sequence[float], labels: torch.Tensor) -> list[float]:
    """The mean of each concept's values, in the order of the classes."""
    found, kinds = np.asarray(values, np.float64), labels.numpy()
    return [float(found[kinds == kind].mean()) for kind in np.unique(kinds)]
