"""`python -m studio models`: which checkpoints are here, without loading any."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from studio.checkpoints.catalog import scan
from studio.engine.offers import info
from studio.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """The folder, and JSON instead of a table."""
    parser.add_argument("--models", type=Path, help="the folder of checkpoints")
    parser.add_argument("--json", action="store_true", help="one line of JSON")


def run(args: argparse.Namespace) -> int:
    """Print them; those that cannot be opened with the reason."""
    catalog = scan(Settings.from_env(models=args.models).models)
    infos = [info(entry) for entry in catalog.entries.values()]
    if args.json:
        said = {"checkpoints": [asdict(i) for i in infos], "refused": catalog.refused}
        print(json.dumps(said, ensure_ascii=False))
        return 0
    for i in infos:
        size = f"{i.parameters / 1e6:.1f} M" if i.parameters else "no weights"
        print(f"{i.id:<24} {i.family:<8} {size:>11}  {i.size:>5} px  {i.title}: {i.knows}")
    for id, reason in catalog.refused.items():
        print(f"{id:<24} refused: {reason}")
    return 0
