"""UNets on pixels: DDPM's (Ho et al. 2020) and ADM's (Dhariwal & Nichol 2021), `UNet2DModel`.

The state is the picture itself, in [-1, 1]: there is no autoencoder, and previews are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from studio.checkpoints import packed
from studio.checkpoints.checkpoint import Latent, Progress
from studio.checkpoints.conditions import Asked, Condition, Conditions
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.named import Classes
from studio.checkpoints.parts import network, size
from studio.diffusion.path import from_config
from studio.diffusion.prediction import kind_of


class Pixel:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    tiny = None

    def __init__(self, entry: Entry, device: str, progress: Progress) -> None:
        from diffusers.models.unets.unet_2d import UNet2DModel

        self.entry, self.device = entry, device
        self.path = from_config(read_json(entry.folder / "scheduler" / "scheduler_config.json"))
        self.prediction = kind_of(entry.prediction)
        self.variance = entry.options["variance"]
        self.latent = Latent(channels=entry.latent[0], down=1, clip=entry.options["clip"])
        progress("reading the UNet", 0.2)
        self.network = network(entry, "unet", UNet2DModel, device)
        self.network.to(memory_format=torch.channels_last)
        self.whole_times = self.network.config.time_embedding_type == "learned"
        self.bytes = size(self.network)
        self.classes = Classes(entry.classes, entry.options["null_class"])
        if packed.possible(device):
            x = torch.zeros(1, *entry.latent)
            row = {name: values[None] for name, values in self.encode(Asked()).items()}
            packed.pack(self.network, lambda: self.predict(x, [0.0], row))

    def encode(self, asked: Asked) -> Condition:
        if not self.classes.names:
            return {}
        return {"label": torch.tensor(self.classes.of(asked), device=self.device)}

    @torch.no_grad()
    def predict(self, x: Tensor, t: Sequence[float], conditions: Conditions) -> Tensor:
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        times = times.round().long() if self.whole_times else times
        x = x.contiguous(memory_format=torch.channels_last)
        return self.network(x, times, conditions.get("label"), return_dict=False)[0]

    def decode(self, x: Tensor, tiled: bool = False) -> Tensor:
        return x.expand(-1, 3, -1, -1)

    def embed(self, pictures: Tensor) -> Tensor:
        pictures = pictures.to(self.device)
        return pictures if self.latent.channels == 3 else pictures.mean(1, keepdim=True)

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        return self.classes.nearest(prompt, count)

    def known(self, prompt: str) -> bool:
        return not self.classes.names or self.classes.known(prompt)

    def notes(self, prompt: str) -> tuple[str, ...]:
        if self.classes.names:
            return self.classes.notes(prompt)
        if not prompt.strip():
            return ()
        return ("The prompt was not read: this checkpoint draws without being told what.",)


def load(entry: Entry, device: str, progress: Progress, others: dict[str, Entry]) -> Pixel:
    """A UNet on pixels from its folder; raises BadCheckpoint with a sentence."""
    return Pixel(entry, device, progress)
