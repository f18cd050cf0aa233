"""A control network for a frozen denoiser: a stock ControlNetModel that adds to its skips.

The network starts as a copy of the denoiser's encoder; its projections start at zero, so that at
step 0 the denoiser says what it always said (Zhang, Rao & Agrawala 2023, section 3.1). The target,
the times and the optimisers are the denoiser's own.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from studio.training import hints, loop, unet
from studio.training.fit import fit


@dataclass(frozen=True, slots=True)
class Config:
    embedding: tuple[int, ...] = (8, 16, 32, 64)  # the hint's way down, three times by two
    batch: int = 32
    steps: int = 7000
    lr: float = 0.01
    adam_lr: float = 1e-3
    drop: float = 0.3  # so that shapes are read from the hint and not only from the words
    gamma: float = 5.0
    ema: float = 0.999
    captions: int = 4
    known: float = 0.5  # share of the pictures that the denoiser itself was trained on
    workers: int = 2
    compile: bool = False  # on CUDA alone


@dataclass(frozen=True, slots=True)
class Cache:
    """`base` holds 2N pictures: N as they are, then the same N mirrored. `bits` (N, V, H, W/8)
    uint8 are the hints of the first N.
    """

    base: unet.Cache
    bits: np.ndarray


def build(base: UNet2DConditionModel, embedding: tuple[int, ...]) -> ControlNetModel:
    """The encoder's copy with zero projections.

    What `ControlNetModel.from_unet` does, and the number of heads that pool the text beside: that
    it leaves at 64.
    """
    takes = inspect.signature(ControlNetModel.__init__).parameters
    fields = {key: value for key, value in base.config.items() if key in takes}
    control = ControlNetModel(**fields, conditioning_embedding_out_channels=embedding)
    mine = control.state_dict().keys()
    shared = {key: value for key, value in base.state_dict().items() if key in mine}
    control.load_state_dict(shared, strict=False)
    return control


def steered(base, control, hint: torch.Tensor, scale: float = 1.0) -> Callable:
    """The denoiser with the control added, to be called as the denoiser is. hint (B, 3, H, W) in
    [0, 1] serves a batch of k·B.
    """

    def predict(x, t, encoder_hidden_states):
        shown = hint.repeat(len(x) // len(hint), 1, 1, 1)
        down, middle = control(
            x, t, encoder_hidden_states, shown, conditioning_scale=scale, return_dict=False
        )
        return base(
            x,
            t,
            encoder_hidden_states=encoder_hidden_states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        )

    return predict


def draw_batch(
    cache: Cache, alpha_bar: torch.Tensor, n: int, config: Config, seed: int
) -> tuple[torch.Tensor, ...]:
    """Step n's (xt, t, context, hint, v)."""
    g = loop.generator(seed, n)
    rows, which = unet.draw_rows(cache.base, config, g)
    xt, t, v = unet.noise(cache.base.latents[rows], alpha_bar, config.gamma, g)
    pictures, variants = cache.bits.shape[:2]
    one = torch.randint(variants, (len(rows),), generator=g)
    hint = hints.unpack(cache.bits[(rows % pictures).numpy(), one.numpy()])
    mirrored = (rows >= pictures).view(-1, 1, 1, 1)
    return xt, t, cache.base.states[which].float(), torch.where(mirrored, hint.flip(-1), hint), v


def train(
    cache: Cache,
    base: UNet2DConditionModel,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    start: ControlNetModel | None = None,
    pace: loop.Pace | None = None,
    sheet: Callable[[ControlNetModel, int], None] | None = None,
) -> ControlNetModel:
    """The averaged control network. `start`: one to go on from; else the encoder's copy.
    `sheet(control, step)` gets the averaged weights now and then. `base` is frozen.
    """
    torch.manual_seed(seed)
    base = base.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    control = start if start is not None else build(base, config.embedding)
    control = control.to(device, memory_format=torch.channels_last).train()
    shown = build(base, config.embedding).to(device).eval()
    alpha_bar = unet.levels()

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(cache, alpha_bar, n, config, seed)

    def loss(xt, t, context, hint, v):
        return (steered(base, control, hint)(xt, t, context).sample - v).square().mean()

    return fit(control, shown, draw, loss, folder, config, device=device, pace=pace, sheet=sheet)
