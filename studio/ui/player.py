"""The stage: two panes, a scrubber over the recorded run, its readout and its downloads.

The page's script draws it; this module hands it frames, films and pictures of a run by the run's
unguessable id, as data and never as files, and the bundled recorded run of the first page.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from studio.contract import Engine
from studio.errors import NotFound, StudioError
from studio.store.files import png_with_recipe
from studio.ui import stream, theme
from studio.ui.page import Page
from studio.ui.visitors import Visitors

FIRST_RUN = theme.ASSETS / "first-run"
FRAMES_AT_ONCE = 64
_WHATS = ("xt", "x0", "eps")
_FILMS = {"gif": "image/gif", "mp4": "video/mp4"}
_SMALL = 256  # pixels; larger frames travel as JPEG


def stage(page: Page) -> gr.HTML:
    """The stage component; its value is the newest message of `stream.to_stage`."""
    return gr.HTML(
        value=recorded(page.first_run),
        html_template=(theme.STATIC / "stage.html").read_text(encoding="utf-8"),
        js_on_load=mount("stage"),
        server_functions=[
            _frames(page.engine),
            _film(page.engine, page.visitors),
            _picture(page.visitors),
        ],
        apply_default_css=False,
        elem_id="stage",
    )


def mount(kind: str) -> str:
    """The script that hands a component to the page's own script, whichever loads first."""
    return f"""
    const parts = {{ element, trigger, props, server, upload, watch }};
    const go = () => window.xt.mount("{kind}", parts);
    window.xt ? go() : (window.xtQueue ??= []).push(go);
    """


def recorded(folder: Path) -> dict[str, Any]:
    """The bundled run as a message; an empty stage when it is missing or does not parse."""
    try:
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        steps = [
            {
                "t": step["t"],
                "share": step["share"],
                "logsnr": step["logsnr"],
                "ms": step["ms"],
                "xt": _asset(folder, step["xt"]),
                "x0": _asset(folder, step["x0"]),
            }
            for step in run["steps"]
        ]
        return {
            "kind": "recorded",
            "run": "recorded",
            "number": 0,
            "steps": steps,
            "picture": _asset(folder, run["picture"]),
            "request": run["request"],
            "seconds": run["seconds"],
            "nfe": run["nfe"],
            "model": run.get("model_title", run["request"]["model"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {"kind": "empty", "run": "", "number": 0}


def file_name(request: Any, ending: str) -> str:
    """A short, safe name for a download: the prompt's words and the seed."""
    words = re.sub(r"[^\w]+", "-", request.prompt.lower())[:40].strip("-") or "unprompted"
    return f"{words}-s{request.seed}.{ending}"


def _asset(folder: Path, name: str) -> str:
    if not (folder / name).is_file() or Path(name).name != name:
        raise ValueError(f"the recorded run has no file {name!r}")
    return f"studio-assets/first-run/{name}"


def for_recorded(engine: Engine) -> list[Callable]:
    """Recorded frames of a run by its id, for other stages than this one."""
    return [_frames(engine)]


def _frames(engine: Engine) -> Callable:
    def frames(ask: dict) -> dict:
        """Recorded frames [start, stop) of one picture as data URIs."""
        run, what = str(ask["run"]), ask["what"]
        start = max(int(ask["start"]), 0)
        stop = min(int(ask["stop"]), start + FRAMES_AT_ONCE)
        if what not in _WHATS:
            raise NotFound("There is no such frame.")
        return {
            "frames": [
                light(engine.frame(run, step, what, int(ask["picture"])))
                for step in range(start, stop)
            ]
        }

    return guarded(frames)


def _film(engine: Engine, visitors: Visitors) -> Callable:
    def film(ask: dict) -> dict:
        """The recorded run as a GIF or an MP4, base64."""
        run, kind, what, picture = str(ask["run"]), ask["kind"], ask["what"], int(ask["picture"])
        if kind not in _FILMS or what not in _WHATS:
            raise NotFound("There is no such film.")
        name = _name(visitors, run, picture, kind)
        return _download(engine.film(run, kind, what, picture), name, _FILMS[kind])

    return guarded(film)


def _picture(visitors: Visitors) -> Callable:
    def picture(ask: dict) -> dict:
        """One finished picture as a PNG with the recipe that makes it alone, base64."""
        made, index = visitors.made(str(ask["run"])), int(ask["picture"])
        if not 0 <= index < len(made.pictures):
            raise NotFound("This run has no such picture.")
        request = made.request.with_(seed=made.request.seed + index, count=1)
        data = png_with_recipe(made.pictures[index], request.to_json())
        return _download(data, file_name(request, "png"), "image/png")

    return guarded(picture)


def guarded(function: Callable[[dict], dict]) -> Callable[[dict], dict]:
    """A server function that answers with a sentence where it would raise."""

    def answer(ask: dict) -> dict:
        try:
            return function(ask)
        except StudioError as error:
            return {"problem": stream.problem(error)}
        except Exception as error:
            logging.getLogger(__name__).debug("a malformed question", exc_info=error)
            return {"problem": stream.problem(NotFound("There is no such frame."))}

    answer.__name__ = function.__name__
    return answer


def _name(visitors: Visitors, run: str, picture: int, ending: str) -> str:
    try:
        request = visitors.made(run).request
    except NotFound:  # a stopped run has a recording and no pictures
        return f"stopped-run.{ending}"
    return file_name(request.with_(seed=request.seed + picture), ending)


def _download(data: bytes, name: str, mime: str) -> dict:
    return {"name": name, "mime": mime, "data": base64.b64encode(data).decode()}


def light(data: bytes) -> str:
    """PNG frames as they are while small; large ones as JPEG, or a run would be tens of MB."""
    with Image.open(io.BytesIO(data)) as image:
        if max(image.size) <= _SMALL:
            return stream.png(data)
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=90, subsampling=0)
        return stream.jpeg(out.getvalue())
