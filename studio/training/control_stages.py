"""`train control` and `train export --control`: a control network from the exported denoiser to its
folder beside it.
"""

import argparse
from pathlib import Path

import torch
from diffusers import ControlNetModel, StableDiffusionPipeline

from studio.errors import BadData
from studio.training import (
    arguments,
    control,
    control_data,
    control_export,
    dataset,
    hints,
    subset,
)
from studio.training.cli import with_steps
from studio.training.export import MODEL
from studio.training.recipes import RECIPES

SHEET, JUDGED = 24, 64  # held-out pictures on a run's sheets, and behind the card's figures


def train(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config = arguments.spread(with_steps(recipe.control, args), args)
    pipe, folder = base_pipeline(args), args.runs / f"control-{args.kind}"
    rows, weights = control_data.weigh(data, config.known, recipe.concepts)
    kind = {"variants": config.captions, "seed": args.seed, "device": args.device}
    base = control_data.cached(data, rows, weights, _parts(pipe), args.runs / "control.pt", **kind)
    cache = control.Cache(base, hints.pack(args.kind, data.pixels, rows, args.seed))
    some = _held(args, recipe, data, pipe, SHEET, args.kind)
    draw = {"vae": pipe.vae, "some": some, "steps": recipe.sample_steps}
    free: list = []  # drawn once, at the first sheet

    def sheet(network: ControlNetModel, step: int) -> None:
        if not free:
            free.append(control_data.generate(pipe.unet, None, **draw))
            print(f"without control: {control_data.score(free[0], some)}")
        followed = control_data.generate(pipe.unet, network, **draw)
        print(f"with control: {control_data.score(followed, some)}")
        control_data.draw(folder / f"sheet-{step:06d}.png", some, followed, free[0])

    start = args.start and ControlNetModel.from_pretrained(arguments.made(args.start, "control"))
    trained = control.train(
        cache,
        pipe.unet,
        folder,
        config,
        seed=args.seed,
        device=args.device,
        start=start,
        pace=arguments.pace(config, args),
        sheet=sheet,
    )
    trained.save_pretrained(folder / "export")
    return 0


def export(args: argparse.Namespace) -> int:
    recipe, data, kind = RECIPES[args.config], dataset.load(args.data), args.control
    pipe, run = base_pipeline(args), args.runs / f"control-{kind}"
    network = ControlNetModel.from_pretrained(arguments.made(run / "export", "control")).eval()
    folder, size = args.out / f"icons-control-{kind}", data.pixels.shape[1]
    control_export.write(folder, network, kind, args.out / MODEL, size)
    network = ControlNetModel.from_pretrained(folder, dtype=torch.float32).eval()  # as it is read
    some = _held(args, recipe, data, pipe, JUDGED, kind)
    found = control_export.figures(pipe, network, data, some, recipe.sample_steps, folder)
    card = control_export.card(folder, kind, data, recipe.control, run, found)
    (folder / "README.md").write_text(card)
    print(f"wrote {folder}: {found.followed}")
    return 0


def _held(args, recipe, data, pipe, count: int, kind: str) -> control_data.Held:
    taught = {data.records[i].concept for i in subset.choose(data, recipe.concepts or 0)[0]}
    return control_data.held(data, kind, taught, count, _parts(pipe), args.seed)


def _parts(pipe: StableDiffusionPipeline) -> tuple:
    return pipe.vae, pipe.text_encoder, pipe.tokenizer


def base_pipeline(args: argparse.Namespace) -> StableDiffusionPipeline:
    """The exported pipeline that the later parts are trained on, every part frozen and float32."""
    folder: Path = args.out / MODEL
    if not (folder / "model_index.json").is_file():
        raise BadData(f"{folder} is missing; run `python -m studio train export` first.")
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    for part in (pipe.vae, pipe.text_encoder, pipe.unet):
        part.to(args.device).eval().requires_grad_(False)
    return pipe
