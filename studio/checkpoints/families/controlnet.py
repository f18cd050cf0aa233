"""A loaded control network: what it adds to its base's blocks, row by row.

Stock diffusers classes. Scales are the caller's: one forward serves rows of different runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints import weights
from studio.checkpoints.conditions import Conditions
from studio.checkpoints.controlled import ControlEntry
from studio.checkpoints.load import reason
from studio.checkpoints.parts import size
from studio.errors import BadCheckpoint


class UNetControl:
    """A ControlNetModel of Stable Diffusion or XL (Zhang, Rao & Agrawala 2023)."""

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.models.controlnets.controlnet import ControlNetModel

        self.entry = entry
        self.net = weights.network(ControlNetModel, entry.folder, device)
        self.net.to(memory_format=torch.channels_last)
        self.bytes = size(self.net)

    def hint(self, rgb: Tensor, base: Any) -> Tensor:
        """What the network is shown (1, 3, H, W) in [0, 1], of a picture in [-1, 1]."""
        shown = (rgb + 1) / 2
        bgr = self.entry.config.get("controlnet_conditioning_channel_order", "rgb") == "bgr"
        return shown.flip(1) if bgr else shown

    @torch.no_grad()
    def residuals(
        self, x: Tensor, t: Sequence[float], conditions: Conditions, hints: Tensor, base: Any
    ) -> tuple[Tensor, ...]:
        """What is added to each skip and, last, to the middle, for R rows and their hints."""
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        down, middle = self.net(
            x.contiguous(memory_format=torch.channels_last),
            times,
            encoder_hidden_states=conditions["context"],
            controlnet_cond=hints,
            added_cond_kwargs=base.added(conditions),
            return_dict=False,
        )
        return (*down, middle)


class JointControl:
    """An SD3ControlNetModel: it is shown the picture's latent state, and adds to joint blocks."""

    def __init__(self, entry: ControlEntry, device: str) -> None:
        from diffusers.models.controlnets.controlnet_sd3 import SD3ControlNetModel

        self.entry = entry
        self.net = weights.network(SD3ControlNetModel, entry.folder, device)
        self.bytes = size(self.net)

    def hint(self, rgb: Tensor, base: Any) -> Tensor:
        """The picture's state (1, C, h, w), as the base's VAE has it.

        Controls that read the text were trained on states without the VAE's shift.
        """
        reads = self.entry.config.get("joint_attention_dim") is not None
        return base.embed(rgb) + (base.latent.shift * base.latent.scale if reads else 0.0)

    @torch.no_grad()
    def residuals(
        self, x: Tensor, t: Sequence[float], conditions: Conditions, hints: Tensor, base: Any
    ) -> tuple[Tensor, ...]:
        """What is added to each joint block, (R, tokens, D)."""
        config, pooled = self.entry.config, conditions["pooled"]
        reads = config.get("joint_attention_dim") is not None
        blank = config.get("force_zeros_for_pooled_projection", True)
        return self.net(
            hidden_states=x,
            timestep=torch.tensor(t, dtype=torch.float32, device=x.device),
            encoder_hidden_states=conditions["context"] if reads else None,
            pooled_projections=pooled * 0 if blank else pooled,
            controlnet_cond=hints,
            return_dict=False,
        )[0]


Control = UNetControl | JointControl
LOADERS: dict[str, type[Control]] = {"sd": UNetControl, "sdxl": UNetControl, "sd3": JointControl}


def load(entry: ControlEntry, device: str) -> Control:
    """The control's network on a device; raises BadCheckpoint with a sentence."""
    try:
        return LOADERS[entry.family](entry, device)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        why = reason(error, entry.folder)
        raise BadCheckpoint(f"{entry.id} does not load: {why}.") from None
