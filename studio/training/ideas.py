"""Which ideas of the shipped networks' recipes earn their keep: one base, and cells that change one
thing each. All see the same pictures, times and noise in the same order.

Judged by v, whatever a network predicts: eps is turned into v by way of a clean picture cut to the
data's range, as samplers of eps do; where no signal is left eps says nothing of v.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from studio.training import ablation, blocks, judging, loop, muon, samples, trial, unet
from studio.training.fit import Average
from studio.training.judging import Scene


@dataclass(frozen=True, slots=True)
class Config:
    concepts: int = 100
    width: int = 128
    depth: int = 4
    head: int = 32
    patch: int = 4
    batch: int = 32
    steps: int = 900
    lr: float = 0.01  # Muon's, as icons-dit has it; here constant
    adam_lr: float = 1e-3
    drop: float = 0.1
    gamma: float = 5.0
    times: int = 8  # noise levels of each picture that losses are measured at
    each: int = 1
    scale: float = 2.5
    sample_steps: int = 20
    decays: tuple[float, ...] = (0.9, 0.99, 0.999, 0.9995)


@dataclass(frozen=True, slots=True)
class Idea:
    """What a cell does otherwise than the base, which is `Idea()`."""

    even: bool = False  # times uniform, instead of by the min-SNR density
    eps: bool = False  # predicted instead of v, on the same times
    adam: bool = False  # AdamW for all weights
    faster: float = 1.0  # times every rate
    parts: int = 1  # a batch in so many steps
    mixed: bool = False  # half of each batch from other concepts, with no class
    kept: bool = False  # the class always given; then drawn without guidance


CELLS = {
    "base": Idea(),
    "uniform times": Idea(even=True),
    "eps instead of v": Idea(eps=True),
    "AdamW alone": Idea(adam=True),
    "AdamW alone, thrice the rate": Idea(adam=True, faster=3.0),
    "thrice the rates": Idea(faster=3.0),
    "half the batch, twice the steps": Idea(parts=2),
    "half of each batch other concepts": Idea(mixed=True),
    "class never dropped": Idea(kept=True),
}


class Even(Average):
    """Without a warm-up: the weights of step k in a share of decay^(n − k), the shares' sum one
    from the first step on.
    """

    def share(self) -> float:
        return (1 - self.decay) / (1 - self.decay**self.count)


def ends(alpha_bar: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(alpha, sigma) at t, each (B, 1, 1, 1)."""
    now = alpha_bar[t].view(-1, 1, 1, 1)
    return now.sqrt(), (1 - now).sqrt()


def draw_batch(
    scene: Scene, alpha_bar: torch.Tensor, n: int, idea: Idea, config: Config, seed: int
) -> tuple[torch.Tensor, ...]:
    """Step n's (xt, t, label, target)."""
    drop, gamma = 0.0 if idea.kept else config.drop, math.inf if idea.even else config.gamma
    how = dataclasses.replace(config, drop=drop, gamma=gamma)
    whole, part = divmod(n, idea.parts)
    x0, xt, t, label, v = ablation.draw_batch(scene, alpha_bar, whole, how, seed)
    alpha, sigma = ends(alpha_bar, t)
    if idea.mixed:
        g, half = loop.generator(judging.APART + seed, whole), config.batch // 2
        change = torch.zeros_like(x0)
        change[:half] = scene.others[torch.randint(len(scene.others), (half,), generator=g)]
        change[:half] -= x0[:half]
        xt, v = xt + alpha * change, v - sigma * change
        label = torch.cat([torch.full((half,), scene.nothing), label[half:]])
    batch = xt, t, label, alpha * v + sigma * xt if idea.eps else v
    return tuple(rows.chunk(idea.parts)[part] for rows in batch)


def objective(network, xt, t, label, target) -> torch.Tensor:
    return (network(xt, t, label) - target).square().mean()


def as_v(network, alpha_bar: torch.Tensor, limit: float) -> Callable[..., torch.Tensor]:
    """v of a network that predicts eps; the clean pictures between are cut at ±limit."""

    def predict(xt, t, label):
        alpha, sigma = ends(alpha_bar, t)
        x0 = ((xt - sigma * network(xt, t, label)) / alpha).clamp(-limit, limit)
        return (alpha * xt - x0) / sigma

    return predict


def optimisers(network: nn.Module, idea: Idea, config: Config) -> list:
    lr, adam_lr = idea.faster * config.lr, idea.faster * config.adam_lr
    if not idea.adam:
        return muon.optimisers(network, lr, adam_lr)
    how = {"betas": (0.9, 0.98), "weight_decay": 0.0}
    return [torch.optim.AdamW(network.parameters(), lr=adam_lr, **how)]


def thirds(network, held: tuple[torch.Tensor, ...], times: int) -> list[dict]:
    """The error of v at little, middling and much noise, each over the pictures."""
    found = ablation.each_error(network, *held).view(-1, times)
    band = held[1].view(-1, times) * 3 // 1000
    means = [
        [float(row[own == k].mean()) for row, own in zip(found, band, strict=True) if k in own]
        for k in range(3)
    ]
    return [judging.figure(values) for values in means]


def judge(predict, held: tuple[torch.Tensor, ...], scene: Scene, config: Config) -> dict:
    """The loss on the held-out pictures, and what is made of the class."""
    losses = ablation.errors(predict, *held, config.times)
    heeded = ablation.heeded(predict, *held, config.times, scene.nothing)
    return {"losses": losses, "loss": judging.figure(losses), "heeded": heeded}


def drawn(predict, scene: Scene, scale: float, config: Config, seed: int) -> dict:
    labels, noise = judging.asked(scene, config.each, seed)
    none = torch.tensor([scene.nothing])
    z = samples.sample(ablation.denoiser(predict), labels, none, noise, config.sample_steps, scale)
    return judging.quality(scene, z, labels)


def measure(name: str, scene: Scene, config: Config, folder: Path, seed: int) -> dict:
    """Train one of `CELLS` and say everything about it; of the base each average of its weights."""
    torch.manual_seed(seed)
    idea, alpha_bar = CELLS[name], unet.levels()
    limit = float(scene.latents.abs().max())
    shape = ablation.shape(config, scene, "in-context", config.patch)
    shape = dataclasses.replace(shape, outputs=shape.channels)
    network, shown = blocks.Network(shape), blocks.Network(shape)
    held = ablation.fixed(scene.held, scene.held_labels, alpha_bar, config)
    even = dataclasses.replace(config, gamma=math.inf)
    spread = ablation.fixed(scene.held, scene.held_labels, alpha_bar, even)

    def speaking(given) -> Callable[..., torch.Tensor]:
        return as_v(given, alpha_bar, limit) if idea.eps else given

    def validate(average) -> float:
        return judging.figure(ablation.errors(speaking(average), *held, config.times))["value"]

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(scene, alpha_bar, n, idea, config, seed)

    averages = [Even(network, decay) for decay in config.decays] if idea == Idea() else []
    how = {"optimisers": optimisers(network, idea, config), "averages": averages}
    length = trial.Length(idea.parts * config.steps, points=2)
    where = trial.place(folder, name)
    record = trial.run(network, shown, draw, objective, where, length, validate, **how)
    predict = speaking(shown)
    said = judge(predict, held, scene, config)
    said |= {"config": dataclasses.asdict(config), "parameters": blocks.parameters(network)}
    said |= {"seconds": record.seconds, "curve": record.curve}
    said["thirds"] = thirds(predict, spread, config.times)
    said["drawn"] = drawn(predict, scene, 1.0 if idea.kept else config.scale, config, seed)
    if averages:
        said["unguided"] = drawn(predict, scene, 1.0, config, seed)
        said["averages"] = {f"{length.ema}, warmed up": dict(said)}
        for what, weights in [
            ("none", network.state_dict()),
            *((f"{kept.decay}", kept.weights) for kept in averages),
        ]:
            shown.load_state_dict(weights)
            row = judge(shown, held, scene, config)
            said["averages"][what] = row | {
                "drawn": drawn(shown, scene, config.scale, config, seed)
            }
    return said
