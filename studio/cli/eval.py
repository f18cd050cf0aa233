"""`python -m studio eval`: how good a checkpoint is, measured and written beside it.

Pictures are kept in a folder while they are drawn, so that a second run goes on where the first
was stopped. A run with `--limit` is printed and not kept, unless `--out` says where.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.cli import machine
from studio.contract import Request
from studio.engine.engine import LocalEngine
from studio.engine.stock import folders
from studio.errors import BadRequest
from studio.settings import ROOT

FEATURES = ("own", "looks", "inception")


def configure(parser: argparse.ArgumentParser) -> None:
    """What is measured, with which features, on how many pictures."""
    add = parser.add_argument
    add("--model", help="a checkpoint's or a control's id (see `models`)")
    add("--features", choices=FEATURES, default="own", help="the space that pictures are told in")
    add("--limit", type=int, help="at most so many pictures of each kind: a quick look")
    add("--seed", type=int, default=0, help="chooses prompts and noise")
    add("--steps", type=int, help="of the sampler; the checkpoint's own if left out")
    add("--guidance", type=float, help="the checkpoint's own if left out")
    add("--data", type=Path, default=ROOT / "data" / "icons.zip", help="the packed data set")
    add("--cache", type=Path, default=ROOT / "data" / "eval", help="where pictures are kept")
    add("--out", type=Path, help="the JSON file; else eval.json beside the weights")
    add("--fetch", choices=("inception",), help="fetch these features first, 81 MB")
    add("--json", action="store_true", help="nothing but the line of JSON")
    machine.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate; raises StudioError with the sentence that is shown."""
    if args.limit is not None and args.limit < 2:
        raise BadRequest("A limit is 2 pictures or more.")
    if args.fetch:
        from studio.evaluation import inception

        print(f"fetched {inception.fetch()}", file=sys.stderr)
        if not args.model:
            return 0
    if not args.model:
        raise BadRequest("Say which checkpoint to evaluate: --model and its id.")
    found, folder = evaluated(args)
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    out = args.out or (folder / "eval.json" if args.limit is None else None)
    if out:
        out.write_text(text, encoding="utf-8")
        if out.parent == folder:
            from studio.training.evaluated import renew

            renew(folder)
    print(json.dumps(found, ensure_ascii=False) if args.json else text, end="" if out else "\n")
    return 0


def evaluated(args: argparse.Namespace) -> tuple[dict[str, Any], Path]:
    """What was measured, and the folder of what was."""
    from studio.checkpoints.catalog import scan
    from studio.checkpoints.load import offline

    settings = replace(machine.settings(args), record_bytes=0)
    catalog = scan(*folders(settings))
    offline()
    from studio.evaluation import steered
    from studio.evaluation.evaluate import Bench, evaluate
    from studio.evaluation.spaces import SPACES
    from studio.evaluation.subject import subject
    from studio.training import dataset

    def say(text: str) -> None:
        if not args.json:
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)

    data, space = dataset.load(args.data), SPACES[args.features]()
    engine = LocalEngine(settings)
    try:
        bench = Bench(engine, data, space, args.cache, args.limit, say)
        control = args.model if args.model in catalog.controls else ""
        entry = catalog[catalog.controls[control].base if control else args.model]
        infos = {info.id: info for info in engine.catalog()}
        request = asked(args, infos[entry.id].defaults or Request(entry.id))
        who = subject(entry, request, data, args.seed)
        if control:
            folder = catalog.controls[control].folder
            return steered.evaluate(who, bench, control, folder), folder
        return evaluate(who, bench, catalog.entries), entry.folder
    finally:
        engine.close()


def asked(args: argparse.Namespace, request: Request) -> Request:
    """The checkpoint's own request with what was given."""
    bare = Request(request.model)
    request = request.with_(prompt="", template="", label=None, seed=bare.seed, count=1)
    if args.steps is not None:
        request = request.with_(steps=args.steps)
    if args.guidance is not None:
        request = request.with_(guidance=replace(request.guidance, scale=args.guidance))
    return request
