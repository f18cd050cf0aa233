"""Three ways to the same pictures: the studio's engine, a bare loop, and diffusers' pipeline.

Each goes from a prompt that it has not seen to RGB pixels, by DDIM with classifier-free
guidance, from the same noise.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import in_turns
from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Asked, stack
from studio.contract import Failed, Finished, Request, Step, View
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.prediction import to_x0_eps
from studio.diffusion.spacing import levels
from studio.engine.engine import LocalEngine
from studio.errors import StudioError


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run in the engine looked like from outside."""

    finished: Finished
    steps: tuple[Step, ...]

    @property
    def pixels(self) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(self.finished.pictures[0])))


def studio(engine: LocalEngine, request: Request, view: View) -> Watched:
    """A run in the engine, every event read; its recording is freed."""
    run = engine.submit(request, view)
    steps = []
    for event in engine.events(run):
        if isinstance(event, Step):
            steps.append(event)
        if isinstance(event, Failed):
            raise StudioError(event.message)
    engine.forget(run)
    return Watched(event, tuple(steps))


def bare(checkpoint: Checkpoint, request: Request) -> np.ndarray:
    """(H, W, 3) uint8: the shortest loop, which nobody can watch, stop or share."""
    way = levels(checkpoint.path, request.steps, request.spacing)
    side = request.width // checkpoint.latent.down
    shape = (checkpoint.latent.channels, side, side)
    x = KeyedNoise([request.seed], shape).first() * checkpoint.path.first(way[0])
    texts = (request.negative_prompt, request.prompt)
    conditions = stack([checkpoint.encode(Asked(text)) for text in texts])
    for here, there in itertools.pairwise(way):
        raw = checkpoint.predict(x.repeat(2, 1, 1, 1), [here.t] * 2, conditions)
        uncond, cond = raw.chunk(2)
        guided = uncond + request.guidance.scale * (cond - uncond)
        x0, eps = to_x0_eps(checkpoint.prediction, guided, x, here)
        x = there.alpha * x0 + there.sigma * eps
    picture = checkpoint.decode(x)[0].permute(1, 2, 0)
    return ((picture / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def pipeline(folder: Path) -> Any:
    """diffusers' own pipeline on the same folder, with its own DDIM and nothing to print."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from diffusers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pipe = StableDiffusionPipeline.from_pretrained(
        folder, use_safetensors=True, safety_checker=None, requires_safety_checker=False
    )
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def diffusers(pipe: Any, request: Request) -> np.ndarray:
    """(H, W, 3) uint8 from the pipeline, from the engine's noise."""
    channels, down = pipe.unet.config.in_channels, pipe.vae_scale_factor
    shape = (channels, request.height // down, request.width // down)
    images = pipe(
        request.prompt,
        negative_prompt=request.negative_prompt,
        latents=KeyedNoise([request.seed], shape).first(),
        num_inference_steps=request.steps,
        guidance_scale=request.guidance.scale,
        eta=request.eta,
        width=request.width,
        height=request.height,
    ).images
    return np.asarray(images[0])


def at_its_best(folder: Path, request: Request) -> tuple[str, Any]:
    """The pipeline at the fastest of its settings here, and their name; all without compiling."""
    pipes = {name: pipeline(folder) for name in ("as it is", "channels last", "… and fused QKV")}
    for name, pipe in pipes.items():
        if name != "as it is":
            pipe.unet.to(memory_format=torch.channels_last)
            pipe.vae.to(memory_format=torch.channels_last)
        if name == "… and fused QKV":
            pipe.fuse_qkv_projections()
        diffusers(pipe, request)  # the first run is never the usual one
    times = in_turns(
        {name: lambda _, p=pipe: void(diffusers(p, request)) for name, pipe in pipes.items()}, 5
    )
    best = min(pipes, key=lambda name: sorted(times[name].wall)[2])
    return best, pipes[best]


def void(_: Any) -> None:
    """Let the result go: a contender that returns nothing is timed from outside."""
