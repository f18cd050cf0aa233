"""Another autoencoder for a loaded checkpoint, and a tiny one for its previews.

Everything else is the checkpoint's own: what wears another autoencoder answers as it does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from studio.checkpoints import packed, parts, weights
from studio.checkpoints.adapters import AdapterEntry
from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.headers import Header
from studio.checkpoints.layouts.ldm import VAE
from studio.checkpoints.parts import Autoencoder, TinyDecoder
from studio.errors import BadCheckpoint


class Worn:
    """A checkpoint with another autoencoder, or another tiny decoder, or both."""

    def __init__(self, base: Checkpoint, vae: Autoencoder | None, tiny: TinyDecoder | None) -> None:
        self.base = base
        self.tiny = tiny or base.tiny
        self.decode = vae.decode if vae else base.decode
        self.embed = vae.embed if vae else base.embed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)


def autoencoder(entry: AdapterEntry, base: Checkpoint) -> Autoencoder:
    """An AutoencoderKL from its folder or file; raises BadCheckpoint with a sentence."""
    where = replace(base.entry, folder=entry.file)

    def read(part: str, kind: Any) -> nn.Module:
        if entry.file.is_dir():
            return weights.network(kind, entry.file, base.device)
        from studio.checkpoints.single import SingleFile

        said = {"vae": entry.config | {"scaling_factor": base.latent.scale}}
        single = SingleFile(replace(where, options={"single": said}), base.device)
        single.header = _below(single.header)
        return single.network(part, kind)

    return Autoencoder(where, base.device, read)


def _below(header: Header) -> Header:
    """The header with LDM's prefix before each name, where a file leaves it out."""

    def named(held: dict) -> dict:
        return {VAE + name.removeprefix(VAE): value for name, value in held.items()}

    shapes, dtypes, spans = named(header.shapes), named(header.dtypes), named(header.spans)
    return replace(header, shapes=shapes, dtypes=dtypes, spans=spans)


def tiny_decoder(entry: AdapterEntry, base: Checkpoint) -> TinyDecoder:
    """The decoder of an AutoencoderTiny, from a folder or one file; raises BadCheckpoint."""
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    if entry.file.is_dir():
        made = TinyDecoder(weights.network(AutoencoderTiny, entry.file, base.device))
    else:
        made = TinyDecoder(_filled(entry, AutoencoderTiny, base.device))
    if packed.possible(base.device):
        x = torch.zeros(1, *base.entry.latent)
        packed.pack(made, lambda: made(x))
    return made


def _filled(entry: AdapterEntry, kind: Any, device: str) -> nn.Module:
    """From one file, with diffusers' names, or TAESD's: its decoder is counted one further."""
    assert entry.header is not None
    network = kind(**entry.config)
    wanted = {n: p for n, p in network.named_parameters() if n.startswith("decoder.")}
    for stored, tensor in weights.tensors(entry.header, lambda count: None):
        name = stored
        number, _, rest = stored.partition(".")
        if number.isdigit():
            name = f"decoder.layers.{int(number) - 1}.{rest}"
        if name not in wanted:
            continue
        if wanted[name].shape != tensor.shape:
            shape = tuple(wanted[name].shape)
            raise BadCheckpoint(weights.misshapen(entry.id, stored, tensor.shape, shape))
        weights.check_finite(tensor, entry.id, stored)
        wanted.pop(name).data.copy_(tensor)
    if wanted:
        raise BadCheckpoint(weights.lacks(entry.id, sorted(wanted), len(wanted)))
    return network.to(device).eval().requires_grad_(False)


def size(made: Autoencoder | TinyDecoder) -> int:
    """The bytes that one takes."""
    return made.bytes if isinstance(made, Autoencoder) else parts.size(made)
