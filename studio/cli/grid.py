"""`python -m studio grid`: one request over two of its fields, as one labelled PNG.

What is not given is the checkpoint's own suggestion. The PNG carries the grid's recipe; one line
of JSON goes to stdout, and progress to stderr unless `--json` asks for silence.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from studio.axes import FIELDS, Axis, Names, parse
from studio.cli import generate, machine
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest
from studio.gridding import Cell, Grid, Plan
from studio.store.files import png_with_recipe, read_recipe, write_atomic

REST = "what a cell is where no axis says it"


def configure(parser: argparse.ArgumentParser) -> None:
    """The axes, and every field of a Request that they do not run over."""
    add = parser.add_argument
    fields = ", ".join(FIELDS)
    add("--x", metavar="FIELD=VALUES", help=f"columns, such as guidance=1,3,5; one of {fields}")
    add("--y", metavar="FIELD=VALUES", help="rows, such as sampler=ddim,heun or seed=1-4")
    add("--from", type=Path, dest="source", metavar="PNG", help="a grid's PNG to fill again")
    rest = parser.add_argument_group("request", REST)
    generate.configure_request(rest)
    add("--out", type=Path, default=Path("grid.png"), help="the PNG with labels and recipe")
    add("--plan", action="store_true", help="only say what it would cost")
    add("--json", action="store_true", help="nothing but the line of JSON")
    machine.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Fill it; raises StudioError with the sentence that is shown."""
    if args.out.suffix != ".png":
        raise BadRequest("A grid is a picture that ends in .png; give --out such a name.")
    generate.check_folders(args.out)
    engine = LocalEngine(machine.settings(args))
    try:
        grid = _grid(args, engine)
        plan = engine.grids.plan(grid)
        if not args.json:
            print(_cost(plan), file=sys.stderr)
        if args.plan:
            print(json.dumps(asdict(plan), ensure_ascii=False))
            return 0
        engine.start(warm=False)
        id = engine.grids.start(grid)
        stopped = _watch(engine, id, quiet=args.json)
        _, cells = engine.grids.cells(id)
        sheet = png_with_recipe(engine.grids.sheet(id), grid.to_json())
        write_atomic(args.out, sheet)
        seconds = next(engine.grids.watch(id)).seconds
    finally:
        engine.close()
    print(json.dumps(_line(grid, cells, seconds, args.out), ensure_ascii=False))
    if stopped:
        return 130
    return 0 if any(cell.state == "done" for cell in cells) else 1


def _grid(args: argparse.Namespace, engine: LocalEngine) -> Grid:
    names = engine.grids.names()
    if args.source:
        text = read_recipe(args.source)
        if text is None:
            raise BadRequest(f"{args.source.name} carries no recipe; give --x and --y.")
        grid = Grid.from_json(text)
        x = _axis(args.x, names) if args.x else grid.x
        y = _axis(args.y, names) if args.y else grid.y
        return Grid(generate.changed(args, grid.request), x, y)
    if not args.x:
        raise BadRequest("Give the columns, such as --x guidance=1,3,5.")
    request = generate.asked(args, engine)
    return Grid(request, _axis(args.x, names), _axis(args.y, names) if args.y else None)


def _axis(text: str, names: Names) -> Axis:
    field, _, values = text.partition("=")
    return parse(field.strip().replace("-", "_"), values, names)


def _cost(plan: Plan) -> str:
    text = (
        f"{plan.columns} × {plan.rows} = {plan.cells} cells, {plan.evaluations:,} evaluations, "
        f"{plan.network_rows:,} rows"
    )
    return text if plan.seconds is None else f"{text}, about {plan.seconds:.0f} s"


def _watch(engine: LocalEngine, id: str, quiet: bool) -> bool:
    """Follow it to its end; whether Ctrl-C stopped it, which keeps what is done."""
    stopped = False
    while True:
        try:
            for now in engine.grids.watch(id):
                if not quiet:
                    left = "" if now.left_s is None else f", {now.left_s:.0f} s left"
                    print(f"\r{now.done} of {now.cells} cells{left:<20}", end="", file=sys.stderr)
            if not quiet:
                print(file=sys.stderr)
            return stopped
        except KeyboardInterrupt:
            engine.grids.stop(id)
            stopped = True


def _line(grid: Grid, cells: tuple[Cell, ...], seconds: float, out: Path) -> dict:
    return {
        "request": asdict(grid.request),
        "x": asdict(grid.x),
        "y": asdict(grid.y) if grid.y else None,
        "cells": [_cell(grid, cell) for cell in cells],
        "seconds": round(seconds, 3),
        "files": [str(out)],
    }


def _cell(grid: Grid, cell: Cell) -> dict:
    row, column = divmod(cell.index, grid.columns)
    return {
        "x": grid.x.values[column],
        "y": grid.y.values[row] if grid.y else None,
        "state": cell.state,
        "nfe": cell.nfe,
        "seconds": round(cell.seconds, 3),
        "pixels_sha256": cell.pixels_sha256 or None,
        "message": cell.message or None,
    }
