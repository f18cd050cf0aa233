"""A loaded image prompt adapter (Ye et al. 2023): what a picture adds to each cross-attention.

Beside the words, each cross-attention asks a picture's tokens with the same queries, through keys
and values of the adapter's own. The encoder and the projection are the libraries' classes; the
base's attention stays as it is, and is added to.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.checkpoints import headers, image_prompt, weights
from studio.checkpoints.controlled import ControlEntry
from studio.checkpoints.encoders import encoder
from studio.checkpoints.parts import size
from studio.checkpoints.place import place
from studio.errors import BadCheckpoint

KEPT = 32  # pictures whose tokens are remembered


class ImagePrompt:
    """An IPAdapter of Stable Diffusion or XL, with the encoder that it sees pictures through."""

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.loaders.unet import UNet2DConditionLoadersMixin
        from transformers import CLIPVisionModelWithProjection

        self.entry = entry
        stored = _read(entry, device)
        convert = UNet2DConditionLoadersMixin()._convert_ip_adapter_image_proj_to_diffusers
        self.project: nn.Module = convert(stored["image_proj"], low_cpu_mem_usage=False)
        self.project.eval().requires_grad_(False).to(str(device))
        folder = entry.folder / image_prompt.ENCODER
        self.encoder = encoder(CLIPVisionModelWithProjection, folder, device, torch.float32)
        self.device, pairs = str(device), stored["ip_adapter"]
        self.pairs = [
            tuple(pairs[f"{2 * k + 1}.to_{part}_ip.weight"].to(self.device) for part in "kv")
            for k in range(len(entry.config["widths"]))
        ]
        held = sum(t.numel() * t.element_size() for pair in self.pairs for t in pair)
        self.bytes = size(self.project) + size(self.encoder) + held
        self._seen: OrderedDict[str, Tensor] = OrderedDict()

    def hint(self, rgb: Tensor, base: Any) -> tuple[Tensor, ...]:
        """The tokens (1, T, D) of a picture's crop (1, 3, S, S) in [-1, 1]; remembered."""
        key = hashlib.sha256(rgb.cpu().numpy().tobytes()).hexdigest()
        if key not in self._seen:
            mean, std = (self._colours(name) for name in ("mean", "std"))
            self._seen[key] = self._tokens(((rgb.to(self.device) + 1) / 2 - mean) / std)
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)
        self._seen.move_to_end(key)
        return (self._seen[key],)

    def away(self) -> tuple[Tensor, ...]:
        """The tokens (1, T, D) of no picture, for the row that guidance leads away from.

        As in training: of an embedding of zeros, or, where states are read, of a picture of zeros.
        """
        if "" not in self._seen:
            side = self.entry.config["side"]
            zeros = torch.zeros(1, 3, side, side, device=self.device)
            self._seen[""] = self._tokens(zeros, blank=True)
        self._seen.move_to_end("")
        return (self._seen[""],)

    @torch.no_grad()
    def _tokens(self, pixels: Tensor, blank: bool = False) -> Tensor:
        if self.entry.config["kind"] == "plain":
            embedding = self.encoder(pixels).image_embeds
            return self.project(torch.zeros_like(embedding) if blank else embedding)
        return self.project(self.encoder(pixels, output_hidden_states=True).hidden_states[-2])

    def _colours(self, name: str) -> Tensor:
        return torch.tensor(self.entry.config[name], device=self.device).view(1, 3, 1, 1)

    def attend(self, place: int, query: Tensor, heads: int, tokens: Tensor) -> Tensor:
        """What K rows' pictures add to cross-attention `place` before its way out: (K, N, C).

        `query` (K, N, C) is the attention's own, `tokens` (K, T, D) are the pictures'.
        """
        key, value = (F.linear(tokens, weight).to(query.dtype) for weight in self.pairs[place])
        split = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (query, key, value))
        return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


def attentions(unet: Any) -> list[nn.Module]:
    """A UNet's cross-attentions, in the order in which adapters number them."""
    names = (name.removesuffix(".processor") for name in unet.attn_processors)
    return [unet.get_submodule(name) for name in names if not name.endswith("attn1")]


def _read(entry: ControlEntry, device: str) -> dict[str, dict[str, Tensor]]:
    """The file's tensors in float32, as the library nests them; raises BadCheckpoint."""
    header = headers.read(entry.folder / entry.config["file"])
    for name, dtype in header.dtypes.items():
        if dtype not in weights.DTYPES:
            raise BadCheckpoint(weights.misstored(entry.folder.name, name, dtype))
    found: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    read = place(device).read
    for name, tensor in weights.tensors(header, lambda count: read(entry.folder.name, count)):
        weights.check_finite(tensor, entry.folder.name, name)
        part, _, rest = name.partition(".")
        if part in found:
            found[part][rest] = tensor.float()
    return found
