"""`train dit` and `train flow`: from the exported denoiser's autoencoder and text encoder to
`icons-dit` and `icons-flow`, each a folder of a stock pipeline.
"""

import argparse
import json
from pathlib import Path

import torch
from diffusers import (
    DDIMScheduler,
    DiTPipeline,
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    StableDiffusionPipeline,
)

from studio.training import (
    arguments,
    conditioning,
    dataset,
    dit,
    flow,
    latents,
    measure,
    samples,
    subset,
    transformer_export,
)
from studio.training.autoencoder import to_pixels
from studio.training.cards import write_transformer_card
from studio.training.cli import with_steps
from studio.training.control_stages import base_pipeline
from studio.training.dataset import IconData
from studio.training.export import MODEL, lengthened, stored
from studio.training.recipes import RECIPES
from studio.training.sheet import save_sheet
from studio.training.unet import SCHEDULE

DIT, FLOW = "icons-dit", "icons-flow"
LOSSES = {"dit": "loss of v and variance", "flow": "loss of the velocity"}


def train_dit(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config = arguments.spread(with_steps(recipe.dit, args), args)
    pipe, folder = base_pipeline(args), args.runs / "dit"
    rows = taught(data, recipe.concepts, "dit")
    slugs = dit.choose(data, rows)
    place = {slug: number for number, slug in enumerate(slugs)}
    cache = dit.Cache(
        latents.encode(pipe.vae, data.pixels, rows, device=args.device),
        torch.tensor([place[data.records[i].concept] for i in rows]),
    )
    shown = _asked(data, slugs)
    noise = _noise(pipe, len(shown))

    def sheet(model, step: int) -> None:
        asked = torch.tensor([place[slug] for slug in shown])
        with torch.no_grad():
            z = samples.sample(dit.steps(model), asked, torch.tensor([dit.CLASSES]), noise)
        _sheet(pipe, z, [data.concepts[s].name for s in shown], folder / f"sheet-{step:06d}.png")

    kind = {"seed": args.seed, "device": args.device, "pace": arguments.pace(config, args)}
    made = dit.untie(dit.train(cache, folder, config, **kind, sheet=sheet))
    _finish(args, data, rows, "dit", write_dit(pipe, made, data, slugs, args.out / DIT))
    return 0


def train_flow(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config = arguments.spread(with_steps(recipe.flow, args), args)
    pipe, folder = base_pipeline(args), args.runs / "flow"
    rows, weights = subset.rows(data, recipe.concepts)
    kind = {"variants": config.captions, "seed": args.seed}
    parts = (pipe.vae, pipe.text_encoder, pipe.tokenizer)
    base = conditioning.cache(data, rows, weights, *parts, **kind, device=args.device)
    texts, _ = conditioning.written(data, rows, config.captions, args.seed)
    cache = flow.Cache(base, conditioning.masks(pipe.tokenizer, texts))
    asked = ["", *samples.PROMPTS]
    states = conditioning.prompt_states(pipe.text_encoder, pipe.tokenizer, asked)
    masks, noise = conditioning.masks(pipe.tokenizer, asked), _noise(pipe, len(samples.PROMPTS))

    def sheet(model, step: int) -> None:
        z = flow.sample(model, states.to(args.device), masks.to(args.device), noise)
        _sheet(pipe, z, list(samples.PROMPTS), folder / f"sheet-{step:06d}.png")

    run = {"seed": args.seed, "device": args.device, "pace": arguments.pace(config, args)}
    made = flow.train(cache, folder, config, **run, sheet=sheet)
    _finish(args, data, rows, "flow", write_flow(pipe, made, args.out / FLOW))
    return 0


def taught(data: IconData, concepts: int | None, name: str) -> list[int]:
    """The rows that a transformer is trained on: of a DiT, those of its classes."""
    rows, _ = subset.rows(data, concepts)
    if name != "dit":
        return rows
    classes = set(dit.choose(data, rows))
    return [i for i in rows if data.records[i].concept in classes]


def write_dit(pipe, made, data: IconData, slugs: list[str], out: Path) -> Path:
    """The folder of a DiTPipeline with the names of its classes. Returns it."""
    stored(DiTPipeline(made, pipe.vae, DDIMScheduler(**SCHEDULE)), out)
    index = out / "model_index.json"
    said = json.loads(index.read_text()) | {"id2label": dit.labels(data, slugs)}
    index.write_text(json.dumps(said, indent=2) + "\n")
    return out


def write_flow(pipe, made, out: Path) -> Path:
    """The folder of a PixArtAlphaPipeline. Returns it."""
    solver = DPMSolverMultistepScheduler(**flow.SCHEDULE)
    encoder = lengthened(pipe.text_encoder)
    pipe.tokenizer.backend_tokenizer.no_padding()  # as it came, not as the training last used it
    return stored(PixArtAlphaPipeline(pipe.tokenizer, encoder, pipe.vae, made, solver), out)


def _asked(data: IconData, slugs: list[str], count: int = 24) -> list[str]:
    """The concepts of the sample prompts that are classes, and then others."""
    named = {data.concepts[slug].name: slug for slug in slugs}
    first = [named[prompt] for prompt in samples.PROMPTS if prompt in named]
    return list(dict.fromkeys([*first, *slugs]))[:count]


def _noise(pipe: StableDiffusionPipeline, count: int) -> torch.Tensor:
    size, channels = pipe.unet.config.sample_size, pipe.unet.config.in_channels
    g = torch.Generator().manual_seed(0)
    return torch.randn((count, channels, size, size), generator=g).to(pipe.unet.device)


@torch.no_grad()
def _sheet(pipe: StableDiffusionPipeline, z: torch.Tensor, words: list[str], path: Path) -> None:
    pictures = to_pixels(torch.cat([pipe.vae.decode(part).sample for part in z.split(4)]))
    save_sheet(path, list(pictures), words, 6)


def _finish(
    args: argparse.Namespace, data: IconData, rows: list[int], name: str, out: Path
) -> None:
    """What lies beside the weights, and the card with the run's last sheet and its losses."""
    run, base = args.runs / name, args.out / MODEL
    transformer_export.describe(out, name, data, rows)
    transformer_export.preview(out, base)
    transformer_export.share(out, base)
    (out / "images").mkdir(exist_ok=True)
    last = max(run.glob("sheet-*.png"))
    (out / "images" / "samples.png").write_bytes(last.read_bytes())
    recipe = RECIPES[args.config]
    found = transformer_export.figures(out, name, run, recipe.sample_steps)
    measure.draw_losses(found.losses, out / "images" / "loss.png", LOSSES[name])
    write_transformer_card(out, data, rows, name, getattr(recipe, name), found)
    print(f"wrote {out}")
