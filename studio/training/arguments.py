"""From a command's arguments to what the recipes take."""

import argparse
import dataclasses
from pathlib import Path

import torch

from studio.errors import BadData
from studio.training import loop


def spread(config, args: argparse.Namespace):
    """One thread a worker on the CPU, where a crew shares a batch; elsewhere no crew, but a
    compiled network where that is asked for.
    """
    if args.device != "cpu":
        said = {"compile": args.compile} if hasattr(args, "compile") else {}
        return dataclasses.replace(config, workers=1, **said)
    if config.workers > 1:
        torch.set_num_threads(1)
    return config


def pace(config, args: argparse.Namespace) -> loop.Pace:
    often = (args.log_every, args.save_every, args.sheet_every)
    return loop.Pace(config.steps, *often, getattr(args, "keep_every", 0))


def made(folder: Path, command: str) -> Path:
    if not (folder / "config.json").is_file():
        raise BadData(f"{folder} is missing; run `python -m studio train {command}` first.")
    return folder
