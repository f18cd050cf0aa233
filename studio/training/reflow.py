"""Rectified flow and one round of reflow at a small scale (Liu et al. 2022): the velocity
u = eps − x0 of straight paths xt = (1 − s)·x0 + s·eps, how straight its trajectories are, and the
same network trained on by the pairs (eps, end of eps's trajectory).

A velocity here is a function u(x, s): x (B, …), s a number in [0, 1], 1 at the noise.
"""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch

from studio.training import blocks, judging, loop, trial
from studio.training.judging import Scene

TIMES = 1000.0  # the network is told 1000 · s
Velocity = Callable[[torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Config:
    concepts: int = 60
    width: int = 96
    depth: int = 4
    head: int = 32
    patch: int = 4
    batch: int = 32
    steps: int = 4000
    more: int = 1500  # steps of the second round, and of as many on data beside it
    rate: float = 1e-3
    points: int = 5
    couples: int = 1500
    solver: int = 25  # Heun's steps from noise to the end of a trajectory
    reference: int = 100  # Euler's steps that fewer are compared with
    judged: int = 60  # trajectories
    counts: tuple[int, ...] = (1, 2, 4, 8)


def euler(velocity: Velocity, noise: torch.Tensor, steps: int) -> torch.Tensor:
    x = noise
    for now, after in pairwise(torch.linspace(1, 0, steps + 1).tolist()):
        x = x + (after - now) * velocity(x, now)
    return x


def heun(velocity: Velocity, noise: torch.Tensor, steps: int) -> Iterator[tuple]:
    """(s, x, u) at every s from 1 to 0, the ends with them: steps + 1 of them."""
    x, u = noise, velocity(noise, 1.0)
    yield 1.0, x, u
    for now, after in pairwise(torch.linspace(1, 0, steps + 1).tolist()):
        ahead = velocity(x + (after - now) * u, after)
        x = x + (after - now) * (u + ahead) / 2
        u = velocity(x, after)
        yield after, x, u


def straightness(velocity: Velocity, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """S = ∫ ‖(Z_1 − Z_0) − dZ_t/dt‖² dt along each trajectory, a number's mean: (B,). Zero for
    straight lines (Liu et al. 2022, section 2.1). Simpson's rule over Heun's nodes; `steps` even.
    """
    way = list(heun(velocity, noise, steps))
    displacement = noise - way[-1][1]  # ∫ u ds
    gaps = torch.stack([(displacement - u).square().flatten(1).mean(1) for _, _, u in way])
    weights = torch.ones(steps + 1, dtype=gaps.dtype)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return (weights[:, None] * gaps).sum(0) / (3 * steps)


def spoken(network, label: torch.Tensor) -> Velocity:
    """The network's velocity for these classes."""

    @torch.no_grad()
    def velocity(x: torch.Tensor, s: float) -> torch.Tensor:
        return network(x, torch.full((len(x),), TIMES * s), label)

    return velocity


def couple(network, label: torch.Tensor, config: Config, shape: tuple, seed: int) -> tuple:
    """(eps, ends) of one trajectory for each class in `label`."""
    g = torch.Generator().manual_seed(2 * judging.APART + seed)
    starts = torch.randn((len(label), *shape), generator=g)
    ends = []
    for noise, some in zip(starts.split(100), label.split(100), strict=True):
        *_, (_, end, _) = heun(spoken(network, some), noise, config.solver)
        ends.append(end)
    return starts, torch.cat(ends)


def at_times(x0: torch.Tensor, eps: torch.Tensor, g: torch.Generator) -> tuple:
    """(xt, s, u), s uniform as in the paper."""
    s = torch.rand(len(x0), generator=g)
    on = s.view(-1, 1, 1, 1)
    return (1 - on) * x0 + on * eps, s, eps - x0


def draw_data(scene: Scene, n: int, batch: int, seed: int) -> tuple:
    """Step n's (xt, s, label, u): a picture and a noise that know nothing of each other."""
    g = loop.generator(seed, n)
    rows = torch.randint(len(scene.latents), (batch,), generator=g)
    x0 = scene.latents[rows]
    xt, s, u = at_times(x0, torch.randn(x0.shape, generator=g), g)
    return xt, s, scene.labels[rows], u


def draw_couples(couples: tuple, label: torch.Tensor, n: int, batch: int, seed: int) -> tuple:
    """Step n's (xt, s, label, u) of couples (eps, ends)."""
    g = loop.generator(seed, n)
    rows = torch.randint(len(label), (batch,), generator=g)
    xt, s, u = at_times(couples[1][rows], couples[0][rows], g)
    return xt, s, label[rows], u


def objective(network, xt, s, label, u) -> torch.Tensor:
    return (network(xt, TIMES * s, label) - u).square().mean()


def judge(network, scene: Scene, config: Config, first: torch.Tensor | None, seed: int) -> dict:
    """Straightness, and what few steps of Euler give beside many from the same noise. `first`: the
    ends of the flow that all began with, from the same noise.
    """
    labels, noise = judging.asked(scene, -(-config.judged // len(scene.names)), seed)
    velocity = spoken(network, labels)
    bent = straightness(velocity, noise, 2 * config.solver)
    many = euler(velocity, noise, config.reference)
    said = {
        "straightness": judging.figure(judging.by_concept(bent.tolist(), labels)),
        "reference": judging.quality(scene, many, labels),
        "few": {},
    }
    if first is not None:
        said["from_start"] = _apart(many, first, labels)
    for count in config.counts:
        few = euler(velocity, noise, count)
        found = judging.quality(scene, few, labels)
        said["few"][str(count)] = found | {"rmse": _apart(few, many, labels)}
    return said


def reference(network, scene: Scene, config: Config, seed: int) -> torch.Tensor:
    """Where the judged noises end after many steps."""
    labels, noise = judging.asked(scene, -(-config.judged // len(scene.names)), seed)
    return euler(spoken(network, labels), noise, config.reference)


def _apart(a: torch.Tensor, b: torch.Tensor, labels: torch.Tensor) -> dict:
    """The root mean squared difference of each pair of latents, and their mean."""
    gaps = (a - b).square().mean((1, 2, 3)).sqrt()
    return judging.figure(judging.by_concept(gaps.tolist(), labels))


def build(scene: Scene, config: Config) -> blocks.Network:
    channels, size = scene.latents.shape[1], scene.latents.shape[-1]
    ends = {"channels": channels, "outputs": channels, "size": size}
    sizes = {"width": config.width, "depth": config.depth, "head": config.head}
    return blocks.Network(
        blocks.Shape("adaLN-Zero", config.patch, scene.nothing, **sizes, **ends)
    ).eval()


FLOWS = {  # name → what it is trained on after the start; nothing for the start itself
    "start": None,
    "start, trained on": "data",
    "reflow": "couples",
}


def measure(name: str, scene: Scene, config: Config, folder: Path, seed: int) -> dict:
    """Train one of `FLOWS` and say everything about it. The start is trained once for all."""
    torch.manual_seed(seed)
    start, shown = build(scene, config), build(scene, config)

    def data(n: int) -> tuple:
        return draw_data(scene, n, config.batch, seed)

    def further(n: int) -> tuple:
        return draw_data(scene, config.steps + n, config.batch, seed)

    length = trial.Length(config.steps, config.rate, points=config.points)
    record = trial.run(start, shown, data, objective, folder / "start", length)
    after = folder / f"after-{config.steps}"  # a start trained longer is another start
    first, said = None, {"config": dataclasses.asdict(config)}
    if FLOWS[name] is not None:
        first, draw = reference(shown, scene, config, seed), further
        if FLOWS[name] == "couples":
            label = torch.arange(config.couples) % len(scene.names)
            couples = _kept(after / "couples.pt", shown, label, scene, config, seed)

            def draw(n: int) -> tuple:
                return draw_couples(couples, label, n, config.batch, seed + 1)

        later, longer = build(scene, config), dataclasses.replace(length, steps=config.more)
        later.load_state_dict(shown.state_dict())
        record = trial.run(later, shown, draw, objective, after / FLOWS[name], longer)
    return said | {"seconds": record.seconds, **judge(shown, scene, config, first, seed)}


def _kept(path: Path, network, label, scene: Scene, config: Config, seed: int) -> tuple:
    if not path.is_file():
        made = couple(network, label, config, tuple(scene.latents.shape[1:]), seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(made, path)
    return tuple(torch.load(path, weights_only=True))
