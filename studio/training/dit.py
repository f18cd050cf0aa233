"""A class-conditional transformer on latent patches (DiT, Peebles & Xie 2023): a stock
DiTTransformer2DModel with adaLN-Zero and a learned variance.

Predicts v under the denoiser's cosine schedule. The variance is learned by the variational bound
alone, the mean by the squared error alone (Nichol & Dhariwal 2021, section 3.1).
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from diffusers import DiTTransformer2DModel
from torch import nn

from studio.training import loop, unet
from studio.training.dataset import IconData
from studio.training.fit import fit

CLASSES = 1000  # DiTPipeline takes the row after them for "no class"


@dataclass(frozen=True, slots=True)
class Config:
    width: int = 256
    depth: int = 8
    head: int = 64
    patch: int = 2
    batch: int = 48
    steps: int = 8000
    lr: float = 0.01
    adam_lr: float = 1e-3
    drop: float = 0.1
    gamma: float = 5.0
    ema: float = 0.9995
    workers: int = 2
    compile: bool = False  # on CUDA alone


@dataclass(frozen=True, slots=True)
class Cache:
    """Latents (N, C, h, w) and classes (N,) int64 of the pictures, drawn in equal shares."""

    latents: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True, slots=True)
class Bound:
    """What the variational bound needs of a schedule, each (T,) float64."""

    alpha_bar: torch.Tensor
    first: torch.Tensor  # the posterior's mean is first · x0 + second · xt
    second: torch.Tensor
    small: torch.Tensor  # log of the posterior's variance; at t = 0 that of t = 1
    large: torch.Tensor  # log β_t


def bound(alpha_bar: torch.Tensor) -> Bound:
    """Ho et al. 2020, equations 6 and 7."""
    now = alpha_bar.double()
    before = torch.cat([now.new_ones(1), now[:-1]])
    beta = 1 - now / before
    small = beta * (1 - before) / (1 - now)
    small[0] = small[1]
    first, second = beta * before.sqrt() / (1 - now), (1 - before) * (1 - beta).sqrt() / (1 - now)
    return Bound(now, first, second, small.log(), beta.log())


def variance_loss(
    b: Bound,
    x0: torch.Tensor,
    xt: torch.Tensor,
    t: torch.Tensor,
    v: torch.Tensor,
    share: torch.Tensor,
) -> torch.Tensor:
    """`bound_terms` of predicted v."""
    now = b.alpha_bar.to(t.device)[t].float().view(-1, 1, 1, 1)
    return bound_terms(b, x0, now.sqrt() * xt - (1 - now).sqrt() * v, xt, t, share)


def bound_terms(
    b: Bound,
    x0: torch.Tensor,
    said: torch.Tensor,
    xt: torch.Tensor,
    t: torch.Tensor,
    share: torch.Tensor,
) -> torch.Tensor:
    """The bound's terms in bits a number, (B,): of a predicted clean picture and `share` ∈ [−1, 1]
    between the smallest and the largest log-variance. At t = 0 the likelihood of x0 under the last
    step.
    """
    names = ("first", "second", "small", "large")
    first, second, small, large = (
        getattr(b, name).to(t.device)[t].float().view(-1, 1, 1, 1) for name in names
    )
    part = (share + 1) / 2
    spread = part * large + (1 - part) * small
    off = (first * (x0 - said)).square()
    divergence = 0.5 * (spread - small - 1 + (small - spread).exp() + off * (-spread).exp())
    last = first * said + second * xt
    likelihood = 0.5 * (math.log(2 * math.pi) + spread + (x0 - last).square() * (-spread).exp())
    terms = torch.where(t.view(-1, 1, 1, 1) == 0, likelihood, divergence)
    return terms.mean((1, 2, 3)) / math.log(2)


def build(config: Config, channels: int = 8, size: int = 16) -> DiTTransformer2DModel:
    """As the paper starts it: residual branches and the output at zero, one embedding of time and
    class for all blocks. In evaluation mode always: the library's own dropping of classes draws
    from a generator that a resumed run does not share.
    """
    model = DiTTransformer2DModel(
        num_attention_heads=max(1, config.width // config.head),
        attention_head_dim=min(config.head, config.width),
        in_channels=channels,
        out_channels=2 * channels,
        num_layers=config.depth,
        sample_size=size,
        patch_size=config.patch,
        num_embeds_ada_norm=CLASSES,
    ).eval()
    blocks = model.transformer_blocks
    for block in blocks:
        block.norm1.emb = blocks[0].norm1.emb
    nn.init.normal_(blocks[0].norm1.emb.class_embedder.embedding_table.weight, std=0.02)
    for layer in (*(b.norm1.linear for b in blocks), model.proj_out_1, model.proj_out_2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return model


def untie(model: DiTTransformer2DModel) -> DiTTransformer2DModel:
    """The same network with an embedding of its own in every block, as the library stores it."""
    loose = DiTTransformer2DModel.from_config(model.config)
    loose.load_state_dict(model.state_dict())
    return loose.eval()


def choose(data: IconData, rows: list[int], count: int = CLASSES) -> list[str]:
    """The concepts that most of these rows draw, at most `count`, in Unicode's order."""
    drawn = Counter(data.records[row].concept for row in rows)
    place = {slug: concept.order for slug, concept in data.concepts.items()}
    often = sorted(drawn, key=lambda s: (-drawn[s], place[s], s))
    return sorted(often[:count], key=lambda s: (place[s], s))


def labels(data: IconData, slugs: list[str]) -> dict[int, str]:
    """Class → its name and synonyms with commas between, no word twice: `id2label`."""
    taken = {data.concepts[slug].name for slug in slugs}
    said = {}
    for number, slug in enumerate(slugs):
        concept = data.concepts[slug]
        words = [w for w in dict.fromkeys(concept.synonyms) if w not in taken and "," not in w][:3]
        taken.update(words)
        said[number] = ", ".join([concept.name.replace(",", ""), *words])
    return said


def steps(model: DiTTransformer2DModel) -> Callable:
    """The network as a denoiser of one time for the whole batch: its states are classes (B,)."""
    channels = model.config.in_channels

    def predict(x, t, encoder_hidden_states):
        times = torch.full((len(x),), int(t), device=x.device)
        said = model(x, times, encoder_hidden_states, return_dict=False)[0]
        return SimpleNamespace(sample=said[:, :channels])

    return predict


def draw_batch(
    cache: Cache, alpha_bar: torch.Tensor, n: int, config: Config, seed: int
) -> tuple[torch.Tensor, ...]:
    """Step n's (x0, xt, t, label, v)."""
    g = loop.generator(seed, n)
    rows = torch.randint(len(cache.latents), (config.batch,), generator=g)
    gone = torch.rand(config.batch, generator=g) < config.drop
    label = torch.where(gone, CLASSES, cache.labels[rows])
    xt, t, v = unet.noise(cache.latents[rows], alpha_bar, config.gamma, g)
    return cache.latents[rows], xt, t, label, v


def train(
    cache: Cache,
    folder: Path,
    config: Config,
    *,
    seed: int = 0,
    device: str = "cpu",
    pace: loop.Pace | None = None,
    sheet: Callable[[DiTTransformer2DModel, int], None] | None = None,
) -> DiTTransformer2DModel:
    """The averaged transformer, its embedding shared by the blocks (see `untie`)."""
    torch.manual_seed(seed)
    channels, size = cache.latents.shape[1], cache.latents.shape[-1]
    model, shown = (build(config, channels, size).to(device) for _ in range(2))
    alpha_bar = unet.levels()
    terms = bound(alpha_bar.to(device))

    def draw(n: int) -> tuple[torch.Tensor, ...]:
        return draw_batch(cache, alpha_bar, n, config, seed)

    def loss(x0, xt, t, label, v):
        said, share = model(xt, t, label, return_dict=False)[0].chunk(2, dim=1)
        spread = variance_loss(terms, x0, xt, t, said.detach(), share).mean()
        return (said - v).square().mean() + spread

    return fit(model, shown, draw, loss, folder, config, device=device, pace=pace, sheet=sheet)
