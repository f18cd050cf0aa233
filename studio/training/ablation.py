"""DiT's two ablations at a small scale (Peebles & Xie 2023, section 5): the four block designs at
one patch size, and patches of 2, 4 and 8 with adaLN-Zero; all with the same compute.

Compute is multiply–accumulates of training: three times the forward's, times the pictures seen.
What the optimiser does is not counted; processor seconds are said beside it.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch

from studio.training import blocks, dit, judging, loop, samples, trial, unet
from studio.training.judging import Scene


@dataclass(frozen=True, slots=True)
class Config:
    concepts: int = 100
    width: int = 128
    depth: int = 4
    head: int = 32
    batch: int = 32
    rate: float = 1e-3
    drop: float = 0.1
    gamma: float = 5.0
    giga: float = 2000.0  # 10⁹ multiply–accumulates of training, each network
    points: int = 10
    times: int = 8  # noise levels of each picture that losses are measured at
    each: int = 1  # pictures drawn of each concept
    scale: float = 2.5
    sample_steps: int = 20


VARIANTS = {  # name → block and patch
    "in-context": ("in-context", 4),
    "cross-attention": ("cross-attention", 4),
    "adaLN": ("adaLN", 4),
    "adaLN-Zero": ("adaLN-Zero", 4),
    "adaLN-Zero, patch 2": ("adaLN-Zero", 2),
    "adaLN-Zero, patch 8": ("adaLN-Zero", 8),
}


def shape(config: Config, scene: Scene, kind: str, patch: int) -> blocks.Shape:
    channels, size = scene.latents.shape[1], scene.latents.shape[-1]
    sizes = {"width": config.width, "depth": config.depth, "head": config.head}
    ends = {"channels": channels, "outputs": 2 * channels, "size": size}
    return blocks.Shape(kind, patch, scene.nothing + 1, **sizes, **ends)


def steps(config: Config, made: blocks.Shape) -> int:
    """As many steps as the compute pays for."""
    return max(1, round(config.giga * 1e9 / (3 * blocks.macs(made) * config.batch)))


def draw_batch(
    scene: Scene, alpha_bar: torch.Tensor, n: int, config: Config, seed: int
) -> tuple[torch.Tensor, ...]:
    """Step n's (x0, xt, t, label, v), the same for every network."""
    g = loop.generator(seed, n)
    rows = torch.randint(len(scene.latents), (config.batch,), generator=g)
    gone = torch.rand(config.batch, generator=g) < config.drop
    label = torch.where(gone, scene.nothing, scene.labels[rows])
    xt, t, v = unet.noise(scene.latents[rows], alpha_bar, config.gamma, g)
    return scene.latents[rows], xt, t, label, v


def objective(terms: dit.Bound) -> Callable[..., torch.Tensor]:
    """DiT's own: the squared error of v, and the bound for the variance alone."""

    def loss(network, x0, xt, t, label, v):
        said, share = network(xt, t, label).chunk(2, dim=1)
        spread = dit.variance_loss(terms, x0, xt, t, said.detach(), share).mean()
        return (said - v).square().mean() + spread

    return loss


def fixed(
    latents: torch.Tensor, labels: torch.Tensor, alpha_bar: torch.Tensor, config: Config
) -> tuple[torch.Tensor, ...]:
    """(xt, t, label, v): every picture at `times` noise levels of the training density, drawn once
    and the same for every network. Rows of one picture lie together.
    """
    g = torch.Generator().manual_seed(judging.APART)
    x0, label = (rows.repeat_interleave(config.times, 0) for rows in (latents, labels))
    made = [
        unet.noise(part, alpha_bar, config.gamma, g)  # stratified within each picture
        for part in x0.split(config.times)
    ]
    xt, t, v = (torch.cat(parts) for parts in zip(*made, strict=True))
    return xt, t, label, v


@torch.no_grad()
def each_error(network, xt, t, label, v) -> torch.Tensor:
    """The squared error of v of each row: (B,)."""
    parts = zip(*(rows.split(64) for rows in (xt, t, label)), strict=True)
    said = torch.cat([network(*part)[:, : v.shape[1]] for part in parts])
    return (said - v).square().mean((1, 2, 3))


def errors(network, xt, t, label, v, times: int) -> list[float]:
    """The squared error of v of each picture, mean over its noise levels."""
    return each_error(network, xt, t, label, v).view(-1, times).mean(1).tolist()


def heeded(network, xt, t, label, v, times: int, classes: int) -> dict:
    """How much more each picture's error is with another class than its own: what the network makes
    of the class.
    """
    own = errors(network, xt, t, label, v, times)
    wrong = errors(network, xt, t, (label + max(1, classes // 3)) % classes, v, times)
    return judging.figure([b - a for a, b in zip(own, wrong, strict=True)])


def denoiser(network) -> Callable:
    """As `samples.sample` calls it: its states are classes (B,)."""

    def predict(x, t, encoder_hidden_states):
        said = network(x, torch.full((len(x),), int(t)), encoder_hidden_states)
        return SimpleNamespace(sample=said[:, : x.shape[1]])

    return predict


def measure(name: str, scene: Scene, config: Config, folder: Path, seed: int) -> dict:
    """Train one of `VARIANTS` and say everything about it."""
    torch.manual_seed(seed)
    made = shape(config, scene, *VARIANTS[name])
    network, shown = blocks.Network(made), blocks.Network(made)
    alpha_bar, cost = unet.levels(), blocks.macs(made)
    held = fixed(scene.held, scene.held_labels, alpha_bar, config)
    length = trial.Length(steps(config, made), config.rate, points=config.points)

    def validate(average) -> float:
        return sum(found := errors(average, *held, config.times)) / len(found)

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(scene, alpha_bar, n, config, seed)

    loss = objective(dit.bound(alpha_bar))
    record = trial.run(network, shown, draw, loss, trial.place(folder, name), length, validate)
    count = min(len(scene.held), len(scene.latents) // 2)
    some = torch.linspace(0, len(scene.latents) // 2 - 1, count).long()
    seen = fixed(scene.latents[some], scene.labels[some], alpha_bar, config)
    labels, noise = judging.asked(scene, config.each, seed)
    none = torch.tensor([scene.nothing])
    kind = {"steps": config.sample_steps, "scale": config.scale}
    drawn = samples.sample(denoiser(shown), labels, none, noise, **kind)
    losses = errors(shown, *held, config.times)
    a_step = 3 * cost * config.batch
    return {
        "config": dataclasses.asdict(config),
        "parameters": blocks.parameters(network),
        "macs": cost,
        "steps": length.steps,
        "pictures": length.steps * config.batch,
        "seconds": record.seconds,
        "curve": [(step * a_step, value) for step, value in record.curve],
        "losses": losses,
        "loss": judging.figure(losses),
        "heeded": heeded(shown, *held, config.times, scene.nothing),
        "loss_seen": judging.figure(errors(shown, *seen, config.times)),
        **judging.quality(scene, drawn, labels),
    }
