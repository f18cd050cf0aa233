"""What each `train` command does with its parts: load what it needs, train, leave the result for
the next one.
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import BertModel, BertTokenizer

from studio.errors import BadData
from studio.training import (
    autoencoder as autoencoders,
)
from studio.training import (
    cards,
    conditioning,
    control_data,
    dataset,
    hints,
    latents,
    loop,
    measure,
    samples,
    subset,
)
from studio.training import control as controls
from studio.training import decoder as decoders
from studio.training import exact as exacts
from studio.training import export as exports
from studio.training import preview as previews
from studio.training import text as texts
from studio.training import unet as unets
from studio.training.cli import with_steps
from studio.training.recipes import RECIPES

MODEL, EXACT = "icons-unet", "exact-icons"


def text(args: argparse.Namespace) -> int:
    data, config = dataset.load(args.data), with_steps(RECIPES[args.config].text, args)
    texts.train(
        data,
        args.runs / "text",
        config,
        seed=args.seed,
        device=args.device,
        teacher_folder=args.teacher,
        pace=_pace(config, args),
    )
    return 0


def vae(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, folder = with_steps(recipe.vae, args), args.runs / "vae"
    model = autoencoders.train(
        data, folder, config, seed=args.seed, device=args.device, pace=_pace(config, args)
    )
    model.eval()
    rows = data.train_rows()
    rows = rows[:: max(1, len(rows) // recipe.whitening)]
    latents.whiten(model, latents.encode(model, data.pixels, rows, device=args.device))
    model.save_pretrained(folder / "export")
    return 0


def decoder(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, model = with_steps(recipe.decoder, args), _vae(args)
    config = _spread(config, args)
    kind = {"seed": args.seed, "device": args.device, "pace": _pace(config, args)}
    decoders.train(model, data, args.runs / "decoder", config, **kind)
    model.save_pretrained(args.runs / "vae" / "export")
    return 0


def preview(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, model = with_steps(recipe.preview, args), _vae(args)
    rows, _ = _rows(data, recipe)
    z = latents.encode(model, data.pixels, rows, device=args.device)
    folder = args.runs / "preview"
    tiny = previews.train(
        model, z, folder, config, seed=args.seed, device=args.device, pace=_pace(config, args)
    )
    tiny.save_pretrained(folder / "export")
    return 0


def unet(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, folder = with_steps(recipe.unet, args), args.runs / "unet"
    config = _spread(config, args)
    model, (encoder, tokens) = _vae(args), _text(args)
    rows, weights = _rows(data, recipe)
    cache = conditioning.cache(
        data,
        rows,
        weights,
        model,
        encoder,
        tokens,
        variants=config.captions,
        seed=args.seed,
        device=args.device,
    )
    states = conditioning.prompt_states(encoder, tokens, ["", *samples.PROMPTS])

    def sheet(denoiser, step: int) -> None:
        samples.draw(
            denoiser,
            model,
            states[1:],
            states[:1],
            folder / f"sheet-{step:06d}.png",
            device=args.device,
        )

    denoiser = unets.train(
        cache,
        folder,
        config,
        seed=args.seed,
        device=args.device,
        pace=_pace(config, args),
        sheet=sheet,
    )
    denoiser.save_pretrained(folder / "export")
    return 0


def control(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, folder = _spread(with_steps(recipe.control, args), args), args.runs / _control(args)
    pipe = _base(args)
    parts = (pipe.vae, pipe.text_encoder, pipe.tokenizer)
    rows, weights = control_data.weigh(data, config.known, recipe.concepts)
    kind = {"variants": config.captions, "seed": args.seed, "device": args.device}
    base = control_data.cached(data, rows, weights, parts, args.runs / "control.pt", **kind)
    cache = controls.Cache(base, hints.pack(args.kind, data.pixels, rows, args.seed))
    taught = {data.records[i].concept for i in subset.choose(data, recipe.concepts or 0)[0]}
    some = control_data.held(data, args.kind, taught, 24, parts, args.seed)
    draw = {"vae": pipe.vae, "some": some, "steps": recipe.sample_steps}
    free = control_data.generate(pipe.unet, None, **draw)
    print(f"without control: {control_data.score(free, some)}")

    def sheet(network, step: int) -> None:
        followed = control_data.generate(pipe.unet, network, **draw)
        print(f"with control: {control_data.score(followed, some)}")
        control_data.draw(folder / f"sheet-{step:06d}.png", some, followed, free)

    start = args.start and ControlNetModel.from_pretrained(_made(args.start, "control"))
    trained = controls.train(
        cache,
        pipe.unet,
        folder,
        config,
        seed=args.seed,
        device=args.device,
        start=start,
        pace=_pace(config, args),
        sheet=sheet,
    )
    trained.save_pretrained(folder / "export")
    return 0


def exact(args: argparse.Namespace) -> int:
    data, folder = dataset.load(args.data), args.out / EXACT
    exacts.write_pictures(data, folder, exacts.choose(data))
    encoder, tokens = _text(args)
    exacts.write_embeddings(folder, lambda some: texts.embed(encoder, tokens, some).numpy())
    (folder / "README.md").write_text(cards.exact_card(folder, data))
    print(f"wrote {folder}")
    return 0


def export(args: argparse.Namespace) -> int:
    recipe, data, folder = RECIPES[args.config], dataset.load(args.data), args.out / MODEL
    model, (encoder, tokens) = _vae(args), _text(args)
    denoiser = UNet2DConditionModel.from_pretrained(
        _made(args.runs / "unet" / "export", "unet")
    ).eval()
    tiny = AutoencoderTiny.from_pretrained(
        _made(args.runs / "preview" / "export", "preview")
    ).eval()
    rows, _ = _rows(data, recipe)
    names = sorted({data.concepts[data.records[i].concept].name for i in rows})
    exports.export(folder, model, encoder, tokens, denoiser, tiny, names)
    figures = measure.figures(folder, data, args.runs, recipe.sample_steps)
    cards.write_unet_card(folder, data, recipe, rows, figures)
    exports.check(folder)
    print(f"wrote {folder}")
    return 0


def _spread(config, args: argparse.Namespace):
    """One thread a worker on the CPU, where a crew shares a batch; no crew elsewhere."""
    if args.device != "cpu":
        return dataclasses.replace(config, workers=1)
    if config.workers > 1:
        torch.set_num_threads(1)
    return config


def _pace(config, args: argparse.Namespace) -> loop.Pace:
    return loop.Pace(config.steps, args.log_every, args.save_every, args.sheet_every)


def _rows(data, recipe) -> tuple[list[int], list[float]]:
    if recipe.concepts is None:
        rows = data.train_rows()
        return rows, [1.0] * len(rows)
    return subset.choose(data, recipe.concepts)


def _control(args: argparse.Namespace) -> str:
    return f"control-{args.kind}"


def _base(args: argparse.Namespace) -> StableDiffusionPipeline:
    """The shipped pipeline that a control is trained on, every part frozen and float32."""
    folder = args.out / MODEL
    if not (folder / "model_index.json").is_file():
        raise BadData(f"{folder} is missing; run `python -m studio train export` first.")
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    for part in (pipe.vae, pipe.text_encoder, pipe.unet):
        part.to(args.device).eval().requires_grad_(False)
    return pipe


def _made(folder: Path, command: str) -> Path:
    if not (folder / "config.json").is_file():
        raise BadData(f"{folder} is missing; run `python -m studio train {command}` first.")
    return folder


def _vae(args: argparse.Namespace) -> AutoencoderKL:
    folder = _made(args.runs / "vae" / "export", "vae")
    return AutoencoderKL.from_pretrained(folder).to(args.device).eval().requires_grad_(False)


def _text(args: argparse.Namespace) -> tuple[BertModel, BertTokenizer]:
    folder = args.runs / "text" / "export"
    _made(folder / "text_encoder", "text")
    encoder = BertModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
    return encoder, BertTokenizer.from_pretrained(folder / "tokenizer")
