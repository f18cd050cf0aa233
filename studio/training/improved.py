"""Plain and improved DDPM at a small scale: linear or cosine schedule, fixed or learned variance
(Ho et al. 2020; Nichol & Dhariwal 2021), everything else the same.

The networks predict eps. A predicted clean picture is cut to the data's range, as both papers cut
theirs. Bits are of the density of a latent's numbers: they compare with each other alone.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from studio.diffusion import schedules
from studio.training import blocks, dit, judging, loop, trial
from studio.training.judging import Scene

BETA, TILDE = 1.0, -1.0  # the share that stands for β and for the posterior's variance


@dataclass(frozen=True, slots=True)
class Config:
    concepts: int = 60
    width: int = 96
    depth: int = 4
    head: int = 32
    patch: int = 2  # a token's numbers must pass through the width: eps is nothing less
    batch: int = 32
    steps: int = 3000
    rate: float = 1e-3
    times: int = 250  # T
    points: int = 5
    judged: int = 32  # held-out pictures whose bound is summed over all T terms
    each: int = 1
    counts: tuple[int, ...] = (10, 25, 50)  # steps of ancestral sampling


CELLS = {  # name → schedule, and whether the variance is learned
    "linear, fixed": ("linear", False),
    "linear, learned": ("linear", True),
    "cosine, fixed": ("cosine", False),
    "cosine, learned": ("cosine", True),
}


def levels(schedule: str, times: int) -> torch.Tensor:
    """ᾱ_t (T,) float64; the linear schedule's ends are scaled from T = 1000."""
    if schedule == "linear":
        return torch.from_numpy(schedules.linear(times, 0.1 / times, 20 / times))
    return torch.from_numpy(schedules.cosine(times))


@dataclass(frozen=True, slots=True)
class Model:
    """A network with what its prediction means. `limit` cuts predicted clean pictures."""

    network: Callable
    bound: dit.Bound
    limit: float

    def guess(self, xt: torch.Tensor, t: torch.Tensor, label: torch.Tensor) -> tuple:
        """(x̂0, share) at xt (B, C, h, w); share is None where the variance is fixed."""
        channels = xt.shape[1]
        said = self.network(xt, t, label)
        share = said[:, channels:] if said.shape[1] > channels else None
        return self.clean(xt, t, said[:, :channels]), share

    def clean(self, xt: torch.Tensor, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        now = self.bound.alpha_bar[t].float().view(-1, 1, 1, 1)
        return ((xt - (1 - now).sqrt() * eps) / now.sqrt()).clamp(-self.limit, self.limit)


def noised(x0: torch.Tensor, bound: dit.Bound, t: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    now = bound.alpha_bar[t].float().view(-1, 1, 1, 1)
    return now.sqrt() * x0 + (1 - now).sqrt() * eps


def draw_batch(scene: Scene, bound: dit.Bound, n: int, batch: int, seed: int) -> tuple:
    """Step n's (x0, xt, t, label, eps), t uniform; pictures, t and eps the same for all cells."""
    g = loop.generator(seed, n)
    rows = torch.randint(len(scene.latents), (batch,), generator=g)
    t = torch.randint(len(bound.alpha_bar), (batch,), generator=g)
    x0 = scene.latents[rows]
    eps = torch.randn(x0.shape, generator=g)
    return x0, noised(x0, bound, t, eps), t, scene.labels[rows], eps


def objective(bound: dit.Bound, limit: float) -> Callable[..., torch.Tensor]:
    """L_simple, and for a learned variance L_hybrid: plus the bound, which the mean does not feel.
    The paper's weight of 0.001 on the sum of T terms is T / 1000 on one that is drawn.
    """
    weight = len(bound.alpha_bar) / 1000

    def loss(network, x0, xt, t, label, eps):
        said = network(xt, t, label)
        channels = x0.shape[1]
        value = (said[:, :channels] - eps).square().mean()
        if said.shape[1] > channels:
            guess = Model(network, bound, limit).clean(xt, t, said[:, :channels].detach())
            share = said[:, channels:]
            value = value + weight * dit.bound_terms(bound, x0, guess, xt, t, share).mean()
        return value

    return loss


@torch.no_grad()
def bits(
    model: Model, x0: torch.Tensor, label: torch.Tensor, seed: int
) -> dict[str, tuple[float, ...]]:
    """The whole variational bound of each picture in bits a number, every one of its terms with
    one draw of noise: with β, with the posterior's variance, and with the network's own.
    """
    bound = model.bound
    ahead = bound.alpha_bar[-1]
    prior = 0.5 * (ahead * x0.double().square() - ahead - (1 - ahead).log())
    start = prior.mean((1, 2, 3)) / torch.log(torch.tensor(2.0, dtype=torch.float64))
    totals = {"beta": start.clone(), "tilde": start.clone(), "learned": start.clone()}
    for n in range(len(bound.alpha_bar)):
        t = torch.full((len(x0),), n)
        eps = torch.randn(x0.shape, generator=loop.generator(seed, n))
        xt = noised(x0, bound, t, eps)
        guess, share = model.guess(xt, t, label)
        fixed = torch.ones_like(x0)
        for name, spread in (("beta", BETA * fixed), ("tilde", TILDE * fixed), ("learned", share)):
            if spread is not None:
                totals[name] += dit.bound_terms(bound, x0, guess, xt, t, spread).double()
    if share is None:
        del totals["learned"]
    return {name: tuple(total.tolist()) for name, total in totals.items()}


@torch.no_grad()
def ancestral(
    model: Model,
    noise: torch.Tensor,
    label: torch.Tensor,
    count: int,
    fixed: float | None,
    seed: int,
) -> torch.Tensor:
    """`count` steps evenly over the T times, the process respaced to them; `fixed` is the share of
    a variance that is not the network's.
    """
    keep = torch.linspace(0, len(model.bound.alpha_bar) - 1, count).round().long()
    short, x = dit.bound(model.bound.alpha_bar[keep]), noise
    for i in reversed(range(count)):
        guess, share = model.guess(x, keep[i].expand(len(x)), label)
        x = float(short.first[i]) * guess + float(short.second[i]) * x
        if i:
            part = ((share if fixed is None else torch.full_like(x, fixed)) + 1) / 2
            spread = part * float(short.large[i]) + (1 - part) * float(short.small[i])
            x = x + (0.5 * spread).exp() * torch.randn(x.shape, generator=loop.generator(seed, i))
    return x


def measure(name: str, scene: Scene, config: Config, folder: Path, seed: int) -> dict:
    """Train one of `CELLS` and say everything about it."""
    torch.manual_seed(seed)
    schedule, learned = CELLS[name]
    bound = dit.bound(levels(schedule, config.times))
    limit = float(scene.latents.abs().max())
    channels, size = scene.latents.shape[1], scene.latents.shape[-1]
    ends = {"channels": channels, "outputs": (1 + learned) * channels, "size": size}
    sizes = {"width": config.width, "depth": config.depth, "head": config.head}
    made = blocks.Shape("adaLN-Zero", config.patch, scene.nothing, **sizes, **ends)
    network, shown = blocks.Network(made), blocks.Network(made)
    length = trial.Length(config.steps, config.rate, points=config.points)

    def draw(n: int) -> tuple:
        return draw_batch(scene, bound, n, config.batch, seed)

    where = trial.place(folder, name)
    record = trial.run(network, shown, draw, objective(bound, limit), where, length)
    model, held = Model(shown, bound, limit), slice(0, config.judged)
    found = bits(model, scene.held[held], scene.held_labels[held], seed)
    labels, noise = judging.asked(scene, config.each, seed)
    drawn = {}
    ways = {"learned": None} if learned else {"beta": BETA, "tilde": TILDE}
    for way, fixed in ways.items():
        for count in config.counts:
            z = ancestral(model, noise, labels, count, fixed, seed)
            drawn[f"{way}, {count}"] = judging.quality(scene, z, labels)
    return {
        "config": dataclasses.asdict(config),
        "parameters": blocks.parameters(network),
        "seconds": record.seconds,
        "bits": {way: judging.figure(values) for way, values in found.items()},
        "each_bits": found,
        "drawn": drawn,
    }
