"""The options that every command with an engine has: where checkpoints lie, and what runs them."""

from __future__ import annotations

import argparse
from pathlib import Path

from studio.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """`--models`, `--device` and `--threads`."""
    parser.add_argument("--models", type=Path, help="the folder of checkpoints")
    parser.add_argument("--device", help="auto, cpu, cuda, mps")
    parser.add_argument("--threads", type=int, help="of the CPU; 0 leaves the choice to torch")


def settings(args: argparse.Namespace) -> Settings:
    """What the options and the environment say together. Raises StudioError."""
    return Settings.from_env(models=args.models, device=args.device, threads=args.threads)
