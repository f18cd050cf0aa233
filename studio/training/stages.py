"""What each `train` command does with its parts: load what it needs, train, leave the result for
the next one.
"""

import argparse

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import BertModel, BertTokenizer

from studio.training import (
    ablation_stages,
    cards,
    conditioning,
    control_stages,
    dataset,
    kept,
    latents,
    measure,
    samples,
    subset,
    transformer_stages,
)
from studio.training import (
    autoencoder as autoencoders,
)
from studio.training import decoder as decoders
from studio.training import exact as exacts
from studio.training import export as exports
from studio.training import preview as previews
from studio.training import text as texts
from studio.training import unet as unets
from studio.training.arguments import made, pace, spread
from studio.training.cli import with_steps
from studio.training.export import MODEL
from studio.training.recipes import RECIPES

EXACT = "exact-icons"


def text(args: argparse.Namespace) -> int:
    data, config = dataset.load(args.data), with_steps(RECIPES[args.config].text, args)
    texts.train(
        data,
        args.runs / "text",
        config,
        seed=args.seed,
        device=args.device,
        teacher_folder=args.teacher,
        pace=pace(config, args),
    )
    return 0


def vae(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, folder = with_steps(recipe.vae, args), args.runs / "vae"
    model = autoencoders.train(
        data, folder, config, seed=args.seed, device=args.device, pace=pace(config, args)
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
    config = spread(config, args)
    kind = {"seed": args.seed, "device": args.device, "pace": pace(config, args)}
    decoders.train(model, data, args.runs / "decoder", config, **kind)
    model.save_pretrained(args.runs / "vae" / "export")
    return 0


def preview(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, model = with_steps(recipe.preview, args), _vae(args)
    rows, _ = subset.rows(data, recipe.concepts)
    z = latents.encode(model, data.pixels, rows, device=args.device)
    folder = args.runs / "preview"
    tiny = previews.train(
        model, z, folder, config, seed=args.seed, device=args.device, pace=pace(config, args)
    )
    tiny.save_pretrained(folder / "export")
    return 0


def unet(args: argparse.Namespace) -> int:
    recipe, data = RECIPES[args.config], dataset.load(args.data)
    config, folder = with_steps(recipe.unet, args), args.runs / "unet"
    config = spread(config, args)
    model, (encoder, tokens) = _vae(args), _text(args)
    rows, weights = subset.rows(data, recipe.concepts)
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
        pace=pace(config, args),
        sheet=sheet,
    )
    denoiser.save_pretrained(folder / "export")
    return 0


def control(args: argparse.Namespace) -> int:
    return control_stages.train(args)


def dit(args: argparse.Namespace) -> int:
    return transformer_stages.train_dit(args)


def flow(args: argparse.Namespace) -> int:
    return transformer_stages.train_flow(args)


def ablation(args: argparse.Namespace) -> int:
    return ablation_stages.run(args)


def features(args: argparse.Namespace) -> int:
    from studio.training import features

    return features.run(args)


def exact(args: argparse.Namespace) -> int:
    data, folder = dataset.load(args.data), args.out / EXACT
    exacts.write_pictures(data, folder, exacts.choose(data))
    encoder, tokens = _text(args)
    exacts.write_embeddings(folder, lambda some: texts.embed(encoder, tokens, some).numpy())
    (folder / "README.md").write_text(cards.exact_card(folder, data))
    print(f"wrote {folder}")
    return 0


def export(args: argparse.Namespace) -> int:
    if args.control:
        return control_stages.export(args)
    if args.kept:
        return kept.export(args)
    recipe, data, folder = RECIPES[args.config], dataset.load(args.data), args.out / MODEL
    model, (encoder, tokens) = _vae(args), _text(args)
    denoiser = UNet2DConditionModel.from_pretrained(
        made(args.runs / "unet" / "export", "unet")
    ).eval()
    tiny = AutoencoderTiny.from_pretrained(made(args.runs / "preview" / "export", "preview")).eval()
    rows, _ = subset.rows(data, recipe.concepts)
    names = sorted({data.concepts[data.records[i].concept].name for i in rows})
    exports.export(folder, model, encoder, tokens, denoiser, tiny, names)
    figures = measure.figures(folder, data, args.runs, recipe.sample_steps)
    cards.write_unet_card(folder, data, recipe, rows, figures)
    exports.check(folder)
    print(f"wrote {folder}")
    return 0


def _vae(args: argparse.Namespace) -> AutoencoderKL:
    folder = made(args.runs / "vae" / "export", "vae")
    return AutoencoderKL.from_pretrained(folder).to(args.device).eval().requires_grad_(False)


def _text(args: argparse.Namespace) -> tuple[BertModel, BertTokenizer]:
    folder = args.runs / "text" / "export"
    made(folder / "text_encoder", "text")
    encoder = BertModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
    return encoder, BertTokenizer.from_pretrained(folder / "tokenizer")
