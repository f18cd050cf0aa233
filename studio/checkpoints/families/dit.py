"""DiT (Peebles & Xie 2023): a transformer on latent patches, conditioned on a class.

The library's DiTTransformer2DModel holds the weights. Its formulas are not quite the authors':
frequencies of the time embedding are divided by half - 1 where theirs are by half, and the
second LayerNorm's ε is 1e-5 where theirs is 1e-6. `official` puts both right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from studio.checkpoints import headers, weights
from studio.checkpoints.checkpoint import Progress
from studio.checkpoints.conditions import Asked, Condition, Conditions
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.layouts.dit import configuration, official_file
from studio.checkpoints.named import Classes
from studio.checkpoints.official_dit import translated
from studio.checkpoints.parts import Autoencoder, network, size
from studio.diffusion.path import from_config
from studio.diffusion.prediction import kind_of

ADM = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02}  # the authors' schedule


class DiT:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    def __init__(self, entry: Entry, device: str, progress: Progress) -> None:
        self.entry, self.device = entry, device
        file = entry.folder / "scheduler" / "scheduler_config.json"
        self.path = from_config(read_json(file) if file.is_file() else ADM)
        self.prediction = kind_of(entry.prediction)
        progress("reading the transformer", 0.1)
        self.network = _transformer(entry, device)
        if entry.options["time_embedding"] == "official":
            official(self.network)
        config = self.network.config
        learned = config.out_channels == 2 * config.in_channels
        self.variance = "learned_range" if learned else "fixed_small"
        self.classes = Classes(entry.classes, null=config.num_embeds_ada_norm)
        progress("reading the autoencoder", 0.7)
        pictures = Autoencoder(entry, device)
        self.latent = replace(pictures.latent, guided=entry.options["guided_channels"])
        self.decode, self.embed, self.tiny = pictures.decode, pictures.embed, pictures.tiny
        self.bytes = size(self.network) + pictures.bytes
        self.nearest, self.known = self.classes.nearest, self.classes.known
        self.notes = self.classes.notes

    def encode(self, asked: Asked) -> Condition:
        return {"label": torch.tensor(self.classes.of(asked), device=self.device)}

    @torch.no_grad()
    def predict(self, x: Tensor, t: Sequence[float], conditions: Conditions) -> Tensor:
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        return self.network(x, times, conditions["label"], return_dict=False)[0]


def official(transformer: nn.Module) -> None:
    """Let the library's network compute the authors' formulas, in place."""
    for block in transformer.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = 0
        block.norm3.eps = 1e-6


def tie(transformer: nn.Module) -> None:
    """One embedding of time and class for all blocks, as the authors have it."""
    blocks = transformer.transformer_blocks
    for block in blocks[1:]:
        block.norm1.emb = blocks[0].norm1.emb


def _transformer(entry: Entry, device: str) -> nn.Module:
    from accelerate import init_empty_weights
    from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

    if (entry.folder / "transformer").is_dir():
        return network(entry, "transformer", DiTTransformer2DModel, device)
    file = official_file(entry.folder)
    header = headers.read(file)
    with init_empty_weights(include_buffers=False):
        made: Any = DiTTransformer2DModel.from_config(configuration(entry.folder, header))
    tie(made)
    wanted = {name: p.shape for name, p in made.named_parameters()}
    wanted["pos_embed.pos_embed"] = made.pos_embed.pos_embed.shape
    for stored, tensor in weights.tensors(header, lambda count: None):
        weights.check_finite(tensor, f"{entry.id}/{file.name}", stored)
        for name, value in translated(stored, tensor):
            if wanted.get(name) == value.shape:
                weights.put(made, name, value.to(device, torch.float32, copy=True))
                del wanted[name]
    if wanted:
        raise ValueError(f"its weights lack {len(wanted)} tensors, such as {min(wanted)}")
    return made.to(device).eval().requires_grad_(False)


def load(entry: Entry, device: str, progress: Progress, others: dict[str, Entry]) -> DiT:
    """A DiT from its folder; raises BadCheckpoint with a sentence."""
    return DiT(entry, device, progress)
