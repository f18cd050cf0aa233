"""`python -m studio models`: which checkpoints are here, what they are made of, whether they are
sound, and folders out of single files. Only `check` and `convert` read weights."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from studio.checkpoints.catalog import Catalog, only, scan
from studio.checkpoints.entry import Entry
from studio.engine.offers import info
from studio.engine.stock import Stock, folders
from studio.errors import BadCheckpoint
from studio.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    """What to do, the folder, and JSON instead of a table."""
    parser.add_argument("--models", type=Path, help="the folder of checkpoints")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    what = parser.add_subparsers(dest="what")
    what.add_parser("list", help="the checkpoints that are here (as without a word)")
    show = what.add_parser("show", help="what a checkpoint is made of, and its card")
    show.add_argument("id")
    show.add_argument("--load", action="store_true", help="load it too: seconds and memory")
    check = what.add_parser("check", help="verify a file or a folder without loading it")
    check.add_argument("path", help="a file, a folder, or the id of a checkpoint that is here")
    convert = what.add_parser("convert", help="a single file as a folder in diffusers layout")
    convert.add_argument("path", type=Path, help="a safetensors file, or a folder with one")
    convert.add_argument("--out", type=Path, required=True, help="the folder to make")


def run(args: argparse.Namespace) -> int:
    """Do one of them; what is refused is said on stderr, with exit status 2."""
    from studio.checkpoints.load import offline

    offline()
    settings = Settings.from_env(models=args.models)
    if args.what == "check":
        return _check(args, settings)
    if args.what == "convert":
        return _convert(args)
    catalog = scan(*folders(settings))
    if args.what == "show":
        return _show(args, settings, catalog)
    return _list(args, catalog)


def _list(args: argparse.Namespace, catalog: Catalog) -> int:
    """A table; those that cannot be opened with the reason."""
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


def _show(args: argparse.Namespace, settings: Settings, catalog: Catalog) -> int:
    """The details of one checkpoint; its parts, whether it fits, its card."""
    from studio.engine.residents import Residents
    from studio.engine.worker import pick_device

    residents = Residents(settings, catalog, pick_device(settings.device))
    stock = Stock(settings, catalog, None, lambda: residents)  # type: ignore[arg-type]
    seconds, taken = None, None
    if args.load:
        start = time.perf_counter()
        taken = residents.get(args.id, lambda doing, share: None).bytes
        seconds = time.perf_counter() - start
    details, fit = stock.details(args.id), residents.plan(args.id)
    if args.json:
        said = asdict(details) | {"fit": asdict(fit), "held_bytes": taken}
        print(json.dumps(said, ensure_ascii=False))
        return 0
    channels, high, wide = details.latent
    print(f"{details.id}: {details.title}. {details.knows}")
    rows = {
        "family": details.family,
        "parameters": f"{details.parameters:,}",
        "stored as": f"{details.dtype}, {details.bytes:,} bytes, a {details.layout}",
        "pictures": f"{details.size} px, states of {channels}×{high}×{wide}",
        "prediction": details.prediction,
        "scheduler": ", ".join(f"{name} {value}" for name, value in details.scheduler),
        "licence": details.licence,
        "memory": fit.sentence,
        "load time": f"{seconds:.1f} s, {taken:,} bytes held" if seconds else "not loaded; --load",
    }
    for name, value in rows.items():
        print(f"  {name:<12} {value}")
    for part in details.components:
        size = f"{part.parameters:>13,} {part.dtype}" if part.parameters else ""
        print(f"  {part.name:<16} {part.kind:<28} {size}")
    print(f"\n{details.card}" if details.card else "")
    return 0


def _check(args: argparse.Namespace, settings: Settings) -> int:
    """Read every header and every value of a file or a folder."""
    from studio.checkpoints import checks
    from studio.checkpoints.meter import Meter

    entry = _entry(Path(args.path), settings)
    shown = sys.stderr.isatty() and not args.json

    def tell(doing: str, component: str, done: int, total: int) -> None:
        if shown:
            print(f"\r{doing:<40} {100 * done // max(total, 1):>3} %", end="", file=sys.stderr)

    meter, start = Meter(entry.id, entry.bytes, tell, lambda: False), time.perf_counter()
    reading = checks.check(entry, meter)
    try:
        while True:
            next(reading)
    except StopIteration as end:
        report = end.value
    print(file=sys.stderr) if shown else None
    seconds = time.perf_counter() - start
    if args.json:
        said = {"id": entry.id, "family": entry.family, "sound": not report.faults}
        said |= {"found": report.faults, "notes": report.notes, "seconds": round(seconds, 3)}
        print(json.dumps(said, ensure_ascii=False))
    else:
        for note in report.notes:
            print(note)
        for fault in report.faults:
            print(fault, file=sys.stderr)
        if not report.faults:
            print(f"{entry.id} is sound: {entry.family}, {meter.done:,} bytes, {seconds:.1f} s.")
    return 2 if report.faults else 0


def _entry(path: Path, settings: Settings) -> Entry:
    """The entry of a path, or of an id; raises BadCheckpoint, NotFound."""
    if path.exists():
        return only(path.absolute())[path.stem if path.is_file() else path.name]
    if path.name != str(path) or path.suffix:
        raise BadCheckpoint(f"There is no {path.name} there.")
    return scan(*folders(settings))[str(path)]


def _convert(args: argparse.Namespace) -> int:
    from studio.checkpoints.convert import convert

    entry = convert(args.path.absolute(), args.out.absolute(), lambda doing: print(doing))
    print(f"{args.out}: {entry.family}, {entry.parameters:,} parameters, {entry.bytes:,} bytes.")
    return 0
