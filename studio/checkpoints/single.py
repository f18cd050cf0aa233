"""The parts of a checkpoint in one LDM file, as its family asks for them.

Only the bytes of the part that is asked for are read. The names are turned into diffusers' by its
own conversion, tensors stay as they are; what is missing afterwards is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from studio.checkpoints import bounds, headers, held, weights
from studio.checkpoints.entry import Entry
from studio.checkpoints.layouts.ldm import UNET, VAE, Text
from studio.checkpoints.place import place
from studio.checkpoints.text import TextEncoder
from studio.checkpoints.vocabulary import clip_tokenizer
from studio.errors import BadCheckpoint


class SingleFile:
    """Reads one file's parts onto a device; raises BadCheckpoint with a sentence."""

    def __init__(self, entry: Entry, device: str) -> None:
        self.entry, self.device = entry, device
        self.header = headers.read(entry.folder)
        self.said: dict[str, Any] = entry.options["single"]

    def scheduler(self) -> dict[str, Any]:
        """The scheduler's configuration: of the published networks of this kind."""
        return self.said["scheduler"]

    def network(self, part: str, kind: Any) -> nn.Module:
        """The UNet or the VAE, for inference."""
        made, prefix, turn = self._network(part, kind)
        return self._filled(part, made, turn(self._read(part, prefix)))

    def text(self, suffix: str = "") -> TextEncoder:
        """The text encoder with CLIP's tokenizer; XL's second has the suffix "_2"."""
        part = f"text_encoder{suffix}"
        made, said = self._encoder(suffix)
        self._filled(part, made, _text(made, self._read(part, said.prefix), said))
        tokenizer = clip_tokenizer(said.pad, said.config["max_position_embeddings"])
        return TextEncoder.of(tokenizer, made, self.device, self._name(part))

    def compare(self) -> dict[str, str]:
        """Part → what its names or shapes lack, empty where they fit; no weight is read."""
        import diffusers

        encoders = ("",) if self.entry.family == "sd" else ("", "_2")
        if self.entry.family == "sdxl" and not self.entry.options["first"]:
            encoders = ("_2",)
        faults = {}
        for part, name in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")):
            made, prefix, turn = self._network(part, getattr(diffusers, name))
            faults[part] = self._fault(part, made, turn(self._shapes(prefix)))
        for suffix in encoders:
            made, said = self._encoder(suffix)
            found = _text(made, self._shapes(said.prefix), said)
            faults[f"text_encoder{suffix}"] = self._fault(f"text_encoder{suffix}", made, found)
        return faults

    def _network(self, part: str, kind: Any) -> tuple[Any, str, Callable[[dict], dict]]:
        """The outline, the prefix of its names in the file, and what turns them."""
        from diffusers.loaders import single_file_utils as ldm

        config = self.said[part]
        bounds.check(config, self._name(part))
        made: Any = self._outline(part, lambda: kind.from_config(config))
        turn = ldm.convert_ldm_unet_checkpoint if part == "unet" else ldm.convert_ldm_vae_checkpoint
        return made, UNET if part == "unet" else VAE, lambda held: turn(held, dict(made.config))

    def _encoder(self, suffix: str) -> tuple[nn.Module, Text]:
        import transformers

        said: Text = self.said["texts"][-1 if suffix else 0]
        name = "CLIPTextModelWithProjection" if said.projected else "CLIPTextModel"
        config = transformers.CLIPTextConfig(**said.config)
        kind = getattr(transformers, name)
        return self._outline(f"text_encoder{suffix}", lambda: kind(config)), said

    def _shapes(self, prefix: str) -> dict[str, Tensor]:
        """Tensors without memory, by the header."""
        shapes = {k: v for k, v in self.header.shapes.items() if k.startswith(prefix)}
        return {k: torch.empty(shape, device="meta") for k, shape in shapes.items()}

    def _fault(self, part: str, made: nn.Module, found: Mapping[str, Tensor]) -> str:
        """The first thing that does not fit, as a sentence."""
        name, wanted = self._name(part), {k: tuple(v.shape) for k, v in made.state_dict().items()}
        missing = [k for k, _ in made.named_parameters() if k not in found]
        if missing:
            return weights.lacks(name, missing, len(list(made.parameters())))
        for key, tensor in found.items():
            if key in wanted and tuple(tensor.shape) != wanted[key]:
                return weights.misshapen(name, key, tuple(tensor.shape), wanted[key])
        return ""

    def _name(self, part: str) -> str:
        return f"{self.entry.id}/{part}"

    def _outline(self, part: str, make: Any) -> nn.Module:
        """The network without weights, with the tables that it computes."""
        from accelerate import init_empty_weights

        try:
            with init_empty_weights(include_buffers=False):
                return make()
        except (RuntimeError, ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise BadCheckpoint(
                f"{self._name(part)} is of a build that this studio does not know."
            ) from error

    def _read(self, part: str, prefix: str) -> dict[str, Tensor]:
        """The part's tensors, as they are stored."""
        at = place(self.device)
        spans = {k: v for k, v in self.header.spans.items() if k.startswith(prefix)}
        only = replace(self.header, spans=spans)
        return dict(weights.tensors(only, lambda count: at.read(part, count)))

    def _filled(self, part: str, made: nn.Module, found: dict[str, Tensor]) -> nn.Module:
        """The network with its weights, checked for what is missing, shapes, NaN and infinity."""
        at, name = place(self.device), self._name(part)
        dtype, on = held.dtype_for(at, part), str(at) if at.offload == "none" else "cpu"
        wanted, fault = made.state_dict().keys(), self._fault(part, made, found)
        if fault:
            raise BadCheckpoint(fault)
        for key in list(found):
            tensor = found.pop(key)
            if key not in wanted:
                continue
            if not tensor.dtype.is_floating_point:
                continue
            weights.check_finite(tensor, name, key)
            weights.put(made, key, weights.placed(tensor, on, dtype, torch.preserve_format))
        return held.hold(made, at, part)


def _text(made: nn.Module, stored: Mapping[str, Tensor], said: Text) -> dict[str, Tensor]:
    """The encoder's tensors under the library's names; a layer that is not used is left out."""
    from diffusers.loaders import single_file_utils as ldm

    if said.names == "clip":
        found = {k.removeprefix(said.prefix): v for k, v in stored.items()}
    else:
        found = ldm.convert_open_clip_checkpoint(made, dict(stored), said.prefix)
    if not hasattr(made, "text_model"):
        found = {k.removeprefix("text_model."): v for k, v in found.items()}
    return found
