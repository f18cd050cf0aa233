"""`train ablation`: one comparison of small networks, network by network, into
`runs/ablation/KIND-SEED.json`. A network that is there already, of the same sizes, is not made
again; an unfinished one is resumed.
"""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from studio.errors import BadData
from studio.training import (
    ablation,
    ablation_report,
    dataset,
    ideas,
    improved,
    quality_report,
    reflow,
    scene,
)
from studio.training.control_stages import base_pipeline
from studio.training.recipes import RECIPES

LENGTHS = ("giga", "steps", "more")  # what `--part` shortens
EXPERIMENTS = {  # kind → names of what is compared, and how one of them is measured
    "blocks": (ablation.VARIANTS, ablation.measure),
    "ddpm": (improved.CELLS, improved.measure),
    "reflow": (reflow.FLOWS, reflow.measure),
    "ideas": (ideas.CELLS, ideas.measure),
}


def run(args: argparse.Namespace) -> int:
    if args.docs:
        done = ablation_report.write(args.runs / "ablation", args.docs, args.seed)
        recipe = RECIPES[args.config]
        batches = {kind: getattr(recipe, kind).batch for kind in ("unet", "dit", "flow")}
        print("wrote", *done, *quality_report.write(args.out, args.runs, args.docs, batches))
        return 0
    config = shortened(getattr(RECIPES[args.config], args.kind), args.part)
    vae = base_pipeline(args).vae
    folder = args.runs / "ablation"
    data = dataset.load(args.data)
    world = scene.build(data, vae, config.concepts, folder)
    if args.kind == "ideas":
        beside = scene.others(data, vae, config.concepts, len(world.latents), folder)
        world = dataclasses.replace(world, others=beside)
    said = f"{len(world.names)} concepts, {len(world.latents)} latents, {len(world.held)} held out"
    print(said, flush=True)
    results = folder / f"{args.kind}-{args.seed}.json"
    names, measure = EXPERIMENTS[args.kind]
    trials = folder / f"{args.kind}-{args.seed}-{digest(config)}"
    return fill(
        results, names, config, lambda name: measure(name, world, config, trials, args.seed)
    )


def fill(results: Path, names, config, measure: Callable[[str], dict]) -> int:
    """Measure what `results` lacks, or holds for another configuration."""
    for name in names:
        known = json.loads(results.read_text()) if results.is_file() else {}
        # through JSON, where a tuple is a list
        asked = json.loads(json.dumps(dataclasses.asdict(config)))
        if known.get(name, {}).get("config") == asked:
            print(f"{name}: measured already", flush=True)
            continue
        print(name, flush=True)
        known[name] = measure(name)
        partial = results.with_suffix(".partial")
        partial.write_text(json.dumps(known, indent=1) + "\n")
        partial.replace(results)
    return 0


def shortened(config, part: float):
    """The configuration with this share of its lengths. The rate is constant, so a later, longer
    run goes on where this one ended.
    """
    if part <= 0:
        raise BadData(f"{part:g} is no part of a run; --part takes a number above 0.")
    known = {name: getattr(config, name) for name in LENGTHS if hasattr(config, name)}
    cut = {
        k: v * part if isinstance(v, float) else max(1, round(v * part)) for k, v in known.items()
    }
    return dataclasses.replace(config, **cut)


def digest(config) -> str:
    """Trainings of different sizes do not resume each other; those of different lengths do."""
    sizes = {k: v for k, v in dataclasses.asdict(config).items() if k not in LENGTHS}
    return hashlib.sha256(repr(sizes).encode()).hexdigest()[:8]
