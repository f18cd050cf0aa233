"""From the engine's grids to what the grid's script draws, and the files that a visitor takes."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from PIL import Image

from studio.axes import Axis
from studio.contract import Engine
from studio.errors import NotFound
from studio.gridding import Cell, Filling, Grid, Plan
from studio.store.files import png_with_recipe
from studio.ui import stream, words
from studio.ui.player import file_name, guarded

THUMB = 256  # pixels, at most, of a cell's picture in the table


def announced(plan: Plan) -> dict:
    """What a grid will cost, before it is filled."""
    return {
        "kind": "plan",
        "columns": plan.columns,
        "rows": plan.rows,
        "cells": plan.cells,
        "evaluations": plan.evaluations,
        "network_rows": plan.network_rows,
        "row_ms": plan.row_ms,
        "seconds": plan.seconds,
        "problems": [words.from_sentence(text) for _, text in plan.problems[:3]],
        "broken": len(plan.problems),
    }


def filling(engine: Engine, grid: Grid, now: Filling) -> dict:
    """How far a grid is, with its labels; whole in itself, since the page may miss any of these."""
    names = {field: dict(known) for field, known in engine.grids.names().items()}
    r = grid.request
    return {
        "kind": "grid",
        "id": now.id,
        "number": now.number,
        "state": now.state,
        "done": now.done,
        "failed": now.failed,
        "cells": now.cells,
        "seconds": now.seconds,
        "left": now.left_s,
        "x": _axis(grid.x, names),
        "y": _axis(grid.y, names) if grid.y else None,
        "prompt": r.prompt,
    }


def server_functions(engine: Engine) -> list[Callable]:
    """What the grid's script asks for by the grid's unguessable id."""

    def cells(ask: dict) -> dict:
        """The cells that changed after a number of changes."""
        number, changed = engine.grids.cells(str(ask["id"]), max(0, int(ask["since"])))
        return {"number": number, "cells": [_cell(cell) for cell in changed]}

    def cell(ask: dict) -> dict:
        """A finished cell: its whole picture and its recipe."""
        found = _found(engine, ask)
        request = asdict(found.request) | {"seed": str(found.request.seed)}  # JS would round it
        return {
            "src": stream.png(found.picture),
            "request": request,
            "nfe": found.nfe,
            "seconds": found.seconds,
            "sha256": found.pixels_sha256,
        }

    def picture(ask: dict) -> dict:
        """A finished cell as a PNG with its recipe."""
        found = _found(engine, ask)
        data = png_with_recipe(found.picture, found.request.to_json())
        return _download(data, file_name(found.request, "png"))

    def sheet(ask: dict) -> dict:
        """The whole grid as one PNG with its recipe."""
        id = str(ask["id"])
        grid = engine.grids.grid(id)
        data = png_with_recipe(engine.grids.sheet(id), grid.to_json())
        return _download(data, "grid-" + file_name(grid.request, "png"))

    return [guarded(function) for function in (cells, cell, picture, sheet)]


def _found(engine: Engine, ask: dict) -> Any:
    index = int(ask["index"])
    _, cells = engine.grids.cells(str(ask["id"]))
    if not 0 <= index < len(cells) or cells[index].request is None:
        raise NotFound("This cell has no picture yet.")
    return cells[index]


def _axis(axis: Axis, names: dict[str, dict[str, str]]) -> dict:
    known = names.get(axis.field, {})
    values = [{"text": text, "label": known.get(text, text)} for text in axis.values]
    return {"field": axis.field, "values": values}


def _cell(cell: Cell) -> dict:
    return {
        "index": cell.index,
        "state": cell.state,
        "step": cell.step,
        "total": cell.total,
        "nfe": cell.nfe,
        "seconds": cell.seconds,
        "src": _thumb(cell) if cell.picture else "",
        "message": words.from_sentence(cell.message) if cell.message else None,
    }


def _thumb(cell: Cell) -> str:
    """Small pictures as they are, larger ones as a smaller JPEG."""
    png = cell.picture.startswith(b"\x89PNG")
    with Image.open(io.BytesIO(cell.picture)) as image:
        if max(image.size) <= THUMB:
            return stream.png(cell.picture) if png else stream.jpeg(cell.picture)
        image = image.convert("RGB")
        image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS, reducing_gap=2.0)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=88, subsampling=0)
    return stream.jpeg(out.getvalue())


def _download(data: bytes, name: str) -> dict:
    return {"name": name, "mime": "image/png", "data": base64.b64encode(data).decode()}
