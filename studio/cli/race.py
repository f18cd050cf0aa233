"""`python -m studio race`: samplers on one x_T at equal evaluations, as a sheet and as JSON.

Every sampler runs at every number of evaluations (or of steps); errors are against the flow's own
end. `--twin NAME` races on a mixture in the plane instead, where the answer is exact.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from studio.cli import machine, twin
from studio.cli.generate import check_folders
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest, StudioError
from studio.imaging.race_sheet import Method, sheet
from studio.metrics.orders import order
from studio.racing import (
    LANES,
    Fit,
    Lane,
    LaneFinished,
    LaneStep,
    Measuring,
    RaceFailed,
    RaceFinished,
    RaceRequest,
    RaceResult,
    Row,
)
from studio.recipe import Guidance, Request
from studio.store.files import RACE, png_with_recipe, write_atomic

MOST = 48  # lanes
FLOOR = 2.0  # times the reference's own error: smaller ones are left out of the fit


def configure(parser: argparse.ArgumentParser) -> None:
    """Who races, how far, and where the sheet goes."""
    add = parser.add_argument
    add("--samplers", default="ddim,dpmpp_2m,unipc,heun", help="ids: ddim,heun,dpmpp_2m,unipc")
    add("--nfe", help="network evaluations: 10,20,40")
    add("--steps", help="steps instead of evaluations: 10,20,40")
    add("--model", help="a checkpoint's id; the default one if left out")
    add("--prompt")
    add("--negative", dest="negative_prompt", metavar="PROMPT")
    add("--seed", type=int, default=0)
    add("--size", type=int, help="pixels a side; the checkpoint's own if left out")
    add("--spacing", help="which levels are visited: trailing, leading, karras, …")
    add("--eta", type=float, default=0.0, help="fresh noise of samplers that have it, 0 to 1")
    add("--guidance-kind", help="none asks the conditional row alone")
    add("--guidance", type=float, metavar="SCALE", help="how strongly the prompt is followed")
    add("--reference", type=int, default=200, help="evaluations of the reference, 0 for none")
    add("--out", type=Path, help="the sheet as a PNG")
    add("--json", type=Path, help="a file for the line of JSON, which is printed too")
    twin.configure(parser)
    machine.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Race; raises StudioError with the sentence that is shown."""
    samplers = tuple(dict.fromkeys(filter(None, args.samplers.replace(" ", "").split(","))))
    counts = _numbers(args.steps or args.nfe or "10,20,40")
    if args.steps and args.nfe:
        raise BadRequest("A race is fair by evaluations or by steps; give --nfe or --steps.")
    if args.twin and (args.steps or args.out):
        raise BadRequest(
            "The twin is raced at equal evaluations and makes no sheet; give it --nfe and --json."
        )
    if args.twin:
        return twin.run(args, samplers, counts, args.eta, args.spacing)
    if args.out and args.out.suffix != ".png":
        raise BadRequest("A sheet is a picture that ends in .png; give --out such a name.")
    check_folders(args.out, args.json)
    engine = LocalEngine(machine.settings(args))
    try:
        base = _base(args, engine)
        lanes = _lanes(args, engine, base, samplers, counts)
        engine.start(warm=False)
        results, pictures = _race(engine, base, lanes, args.reference)
        names = {choice.id: choice.label for choice in engine.choices().samplers}
    finally:
        engine.close()
    line = _line(results, samplers)
    if args.out:
        made = _sheet(results, samplers, pictures, names, len(counts))
        if len(results.request.lanes) == len(lanes):  # it was one race, which has one recipe
            made = png_with_recipe(made, results.request.to_json(), RACE)
        write_atomic(args.out, made)
        line["files"] = [str(args.out)]
    said = json.dumps(line, ensure_ascii=False)
    if args.json:
        write_atomic(args.json, said.encode() + b"\n")
    print(_table(results.rows, line["orders"]), file=sys.stderr)
    print(said)
    return 0


def _numbers(text: str) -> tuple[int, ...]:
    try:
        found = tuple(dict.fromkeys(int(part) for part in text.split(",") if part.strip()))
    except ValueError:
        found = ()
    if not found or min(found) < 1:
        raise BadRequest(f"Evaluations or steps are numbers such as 10,20,40, not “{text[:40]}”.")
    return found


def _base(args: argparse.Namespace, engine: LocalEngine) -> Request:
    """What the lanes share: the checkpoint's suggestion, with what was given."""
    model = args.model or engine.default_model()
    infos = {info.id: info for info in engine.catalog()}
    base = (infos[model].defaults if model in infos else None) or Request(model)
    given = {
        name: getattr(args, name)
        for name in ("prompt", "negative_prompt", "seed", "spacing")
        if getattr(args, name) is not None
    }
    if args.size is not None:
        given |= {"width": args.size, "height": args.size}
    guidance = asdict(base.guidance)
    for option, name in (("guidance_kind", "kind"), ("guidance", "scale")):
        if getattr(args, option) is not None:
            guidance[name] = getattr(args, option)
    return base.with_(count=1, guidance=Guidance(**guidance), **given)


def _lanes(
    args: argparse.Namespace,
    engine: LocalEngine,
    base: Request,
    samplers: tuple[str, ...],
    counts: tuple[int, ...],
) -> list[Lane]:
    uses = {choice.id for choice in engine.choices().samplers if choice.uses_eta}
    lanes = []
    for sampler in samplers:
        eta = args.eta if sampler in uses else 0.0
        for count in counts:
            lane = Lane(sampler, count, base.spacing, eta, base.guidance)
            lanes.append(lane if args.steps else engine.races.fair([lane], count)[0])
    if not LANES[0] <= len(lanes) <= MOST:
        raise BadRequest(
            f"That makes {len(lanes)} lanes; name as many samplers and numbers as make "
            f"{LANES[0]} to {MOST}."
        )
    return lanes


def _race(
    engine: LocalEngine, base: Request, lanes: list[Lane], reference: int
) -> tuple[RaceResult, dict[int, bytes]]:
    """All lanes, in as few races as they need, as if it were one."""
    results, pictures, rows = [], {}, []
    for start, part in _parts(lanes):
        id = engine.races.submit(RaceRequest(base, tuple(part), reference=reference))
        for event in _watch(engine, id):
            if isinstance(event, LaneFinished):
                pictures[start + event.lane] = event.png
            elif isinstance(event, RaceFinished):
                results.append(event.result)
                rows += [replace(row, lane=start + row.lane) for row in event.result.rows]
        engine.races.forget(id)
    seconds = sum(result.seconds for result in results)
    same = engine.races.same(lanes, base.model)
    return replace(results[0], rows=tuple(rows), same=same, seconds=seconds), pictures


def _parts(lanes: list[Lane]) -> Iterator[tuple[int, list[Lane]]]:
    """Nearly equal parts of at most LANES[1], so that none is too small."""
    count = -(-len(lanes) // LANES[1])
    edges = [round(k * len(lanes) / count) for k in range(count + 1)]
    for start, end in pairwise(edges):
        yield start, lanes[start:end]


def _watch(engine: LocalEngine, id: str) -> Iterator[Any]:
    """The events of a race that must come to its end; Ctrl-C stops it."""
    try:
        for event in engine.races.events(id):
            if isinstance(event, RaceFailed):
                raise StudioError(event.message)
            if isinstance(event, LaneStep):
                _say(f"step {event.index + 1} of {event.total}, lane {event.lane + 1}")
            elif isinstance(event, Measuring):
                _say(f"{event.doing}: {event.done} of {event.total}")
            yield event
    except KeyboardInterrupt:
        engine.races.cancel(id)
        raise
    finally:
        _say("")


def _say(text: str) -> None:
    print(f"\r{text:<60}\r", end="", file=sys.stderr, flush=True)


def _fit(result: RaceResult, sampler: str) -> Fit:
    """The order that a sampler's rows show, above twice what the reference may be wrong by."""
    rows = sorted((r for r in result.rows if r.sampler == sampler), key=lambda r: r.nfe)
    if any(row.order is None for row in rows):
        return Fit(0, None, None, None, "no pathwise limit")
    known = [row for row in rows if row.rmse is not None]
    floor = FLOOR * max((each.error for each in result.references), default=0.0)
    found = order([r.nfe for r in known], [r.rmse or 0.0 for r in known], floor)
    if found is None:
        return Fit(0, None, None, None, "fewer than three falling errors above the reference's own")
    return Fit(0, found.order, found.error, None)


def _line(result: RaceResult, samplers: tuple[str, ...]) -> dict[str, Any]:
    fits = {sampler: _fit(result, sampler) for sampler in samplers}
    return {
        "base": asdict(result.request.base),
        "xt_sha256": result.xt_sha256,
        "rows": [_row(row) for row in result.rows],
        "orders": {
            sampler: {"order": fit.order, "error": fit.error, "words": fit.words}
            for sampler, fit in fits.items()
        },
        "references": [
            {k: v for k, v in asdict(each).items() if k not in ("png", "cached")}
            for each in result.references
        ],
        "same": [asdict(group) for group in result.same],
        "seconds": round(result.seconds, 4),
        "notes": list(result.notes),
    }


def _row(row: Row) -> dict[str, Any]:
    said = asdict(row)
    said["marks"] = [mark.kind for mark in row.marks]
    return {k: round(v, 8) if isinstance(v, float) else v for k, v in said.items()}


def _table(rows: tuple[Row, ...], orders: dict[str, dict]) -> str:
    lines = [f"{'sampler':<20}{'steps':>6}{'nfe':>6}{'rmse':>12}{'psnr':>8}{'ssim':>8}{'s':>9}"]
    for row in rows:
        far = "–" if row.rmse is None else f"{row.rmse:.4g}"
        near = ["–" if v is None else f"{v:.3f}" for v in (row.psnr, row.ssim)]
        lines.append(
            f"{row.sampler:<20}{row.steps:>6}{row.nfe:>6}{far:>12}{near[0]:>8}{near[1]:>8}"
            f"{row.seconds:>9.3f}"
        )
    for sampler, fit in orders.items():
        found = fit["words"] if fit["order"] is None else f"order {fit['order']:.2f}"
        bar = "" if fit["error"] is None else f" ± {fit['error']:.2f}"
        lines.append(f"{sampler:<20}{found}{bar}")
    return "\n".join(lines)


def _sheet(
    result: RaceResult,
    samplers: tuple[str, ...],
    pictures: dict[int, bytes],
    names: dict[str, str],
    columns: int,
) -> bytes:
    base = result.request.base
    guidance = result.request.lanes[0].guidance
    title = (
        base.prompt or base.model,
        f"{base.model} · seed {base.seed} · guidance {guidance.scale:g} · "
        f"{result.request.lanes[0].spacing} · x_T {result.xt_sha256[:12]}",
    )
    methods = [
        Method(
            names.get(sampler, sampler),
            tuple(row for row in result.rows if row.sampler == sampler),
            _fit(result, sampler),
        )
        for sampler in samplers
    ]
    return sheet(title, methods, pictures, result.references, max(1, 6 // columns) * columns)
