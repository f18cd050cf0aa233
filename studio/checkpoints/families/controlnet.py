"""A loaded control network: what it adds to its base's blocks, row by row.

Stock diffusers classes. Scales are the caller's: one forward serves rows of different runs. What
is added comes by its place in the base, so that controls of several kinds steer one run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints import weights
from studio.checkpoints.conditions import Conditions, Residuals
from studio.checkpoints.controlled import ControlEntry
from studio.checkpoints.families.flux import STRENGTH, packed, positions
from studio.checkpoints.families.image_prompt import ImagePrompt
from studio.checkpoints.load import reason
from studio.checkpoints.parts import size
from studio.errors import BadCheckpoint

Hints = tuple[Tensor, ...]  # what a control is shown, (1, …) each; of a batch of rows (R, …)


class UNetControl:
    """A ControlNetModel of Stable Diffusion or XL (Zhang, Rao & Agrawala 2023)."""

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.models.controlnets.controlnet import ControlNetModel

        self.entry = entry
        self.net = weights.network(ControlNetModel, entry.folder, device)
        self.net.to(memory_format=torch.channels_last)
        self.bytes = size(self.net)

    def hint(self, rgb: Tensor, base: Any) -> Hints:
        """What the network is shown (1, 3, H, W) in [0, 1], of a picture in [-1, 1]."""
        shown = (rgb + 1) / 2
        bgr = self.entry.config.get("controlnet_conditioning_channel_order", "rgb") == "bgr"
        return (shown.flip(1) if bgr else shown,)

    @torch.no_grad()
    def residuals(
        self, x: Tensor, t: Sequence[float], conditions: Conditions, hints: Hints, base: Any
    ) -> Residuals:
        """What is added to each skip and, last, to the middle, for R rows and their hints."""
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        down, middle = self.net(
            x.contiguous(memory_format=torch.channels_last),
            times,
            encoder_hidden_states=conditions["context"],
            controlnet_cond=hints[0],
            added_cond_kwargs=base.added(conditions),
            return_dict=False,
        )
        return {"skips": (*down, middle)}


class FeatureControl:
    """A T2IAdapter of Stable Diffusion or XL (Mou et al. 2023): features of the picture alone.

    They depend on neither state nor time, so the hint is the features themselves, made once a run.
    """

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.models.adapter import T2IAdapter

        self.entry = entry
        self.net = weights.network(T2IAdapter, entry.folder, device)
        self.bytes = size(self.net)

    @torch.no_grad()
    def hint(self, rgb: Tensor, base: Any) -> Hints:
        """Its features (1, C, h, w), finest first, of a picture in [-1, 1] with 3 channels."""
        shown = (rgb + 1) / 2
        grey = self.entry.config.get("in_channels", 3) == 1
        return tuple(self.net((shown.mean(1, keepdim=True) if grey else shown).to(self.net.dtype)))

    def residuals(
        self, x: Tensor, t: Sequence[float], conditions: Conditions, hints: Hints, base: Any
    ) -> Residuals:
        """What is added inside each down block and, where XL's has one more, after the middle."""
        return {"inside": hints}


class JointControl:
    """An SD3ControlNetModel: it is shown the picture's latent state, and adds to joint blocks."""

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.models.controlnets.controlnet_sd3 import SD3ControlNetModel

        self.entry = entry
        self.net = weights.network(SD3ControlNetModel, entry.folder, device)
        self.bytes = size(self.net)

    def hint(self, rgb: Tensor, base: Any) -> Hints:
        """The picture's state (1, C, h, w), as the base's VAE has it.

        Controls whose pooled text is zeros were trained on states without the VAE's shift.
        """
        shift = base.latent.shift * base.latent.scale
        return (base.embed(rgb) + (shift if self._blank else 0.0),)

    @property
    def _blank(self) -> bool:
        return bool(self.net.config.force_zeros_for_pooled_projection)

    @torch.no_grad()
    def residuals(
        self, x: Tensor, t: Sequence[float], conditions: Conditions, hints: Hints, base: Any
    ) -> Residuals:
        """What is added to each joint block of the base, (R, tokens, D)."""
        config, pooled = self.net.config, conditions["pooled"]
        reads = config.joint_attention_dim is not None
        made = self.net(
            hidden_states=x if config.use_pos_embed else _placed(base.network.pos_embed, x),
            timestep=torch.tensor(t, dtype=torch.float32, device=x.device),
            encoder_hidden_states=conditions["context"] if reads else None,
            pooled_projections=pooled * 0 if self._blank else pooled,
            controlnet_cond=hints[0],
            return_dict=False,
        )[0]
        count = len(base.network.transformer_blocks)
        return {"joint": spread(made, count, lambda k: int(k / (count / len(made))))}


class PackedControl:
    """A FluxControlNetModel: on the picture's packed state, or through convolutions of its own."""

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.models.controlnets.controlnet_flux import FluxControlNetModel

        self.entry = entry
        self.net = weights.network(FluxControlNetModel, entry.folder, device)
        self.bytes = size(self.net)

    def hint(self, rgb: Tensor, base: Any) -> Hints:
        """The picture's packed state (1, tokens, D); the picture where convolutions read it."""
        return (packed(base.embed(rgb)) if self.net.input_hint_block is None else rgb,)

    @torch.no_grad()
    def residuals(
        self, x: Tensor, t: Sequence[float], conditions: Conditions, hints: Hints, base: Any
    ) -> Residuals:
        """What is added to each joint and each single block of the base, (R, tokens, D)."""
        times = torch.tensor(t, dtype=torch.float32, device=x.device) / base.path.T
        context = conditions["context"]
        strength = conditions.get("guidance", torch.full_like(times, STRENGTH))
        joint, single = self.net(
            hidden_states=packed(x),
            controlnet_cond=hints[0],
            timestep=times,
            guidance=strength if self.net.config.guidance_embeds else None,
            pooled_projections=conditions["pooled"],
            encoder_hidden_states=context,
            txt_ids=torch.zeros(context.shape[1], 3, device=x.device),
            img_ids=positions(x.shape[2] // 2, x.shape[3] // 2).to(x.device),
            return_dict=False,
        )
        added = {}
        if joint:
            count, n = len(base.network.transformer_blocks), len(joint)
            turns = self.net.input_hint_block is not None  # the first n blocks, then again
            added["joint"] = spread(joint, count, (lambda k: k % n) if turns else even(count, n))
        if single:
            count = len(base.network.single_transformer_blocks)
            added["single"] = spread(single, count, even(count, len(single)))
        return added


def _placed(embed: Any, x: Tensor) -> Tensor:
    """The state as tokens with the base's own positions, which may be kept in half precision."""
    weight = embed.proj.weight
    return embed(x.to(weight.dtype)).to(x.dtype)


def spread(made: Sequence[Tensor], count: int, which: Callable[[int], int]) -> tuple[Tensor, ...]:
    """One of those made for each of the base's blocks, so that controls of any depth add up."""
    return tuple(made[which(k)] for k in range(count))


def even(count: int, n: int) -> Callable[[int], int]:
    """FLUX's way from `count` blocks to n: as many blocks each, the last of n fewer."""
    return lambda k: k // -(-count // n)


Control = UNetControl | FeatureControl | JointControl | PackedControl | ImagePrompt
LOADERS: dict[str, type[Control]] = {
    "ControlNetModel": UNetControl,
    "T2IAdapter": FeatureControl,
    "SD3ControlNetModel": JointControl,
    "FluxControlNetModel": PackedControl,
    "IPAdapter": ImagePrompt,
}


def load(entry: ControlEntry, device: str) -> Control:
    """The control's network on a device; raises BadCheckpoint with a sentence."""
    try:
        return LOADERS[entry.config["_class_name"]](entry, device)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        why = reason(error, entry.folder)
        raise BadCheckpoint(f"{entry.id} does not load: {why}.") from None
