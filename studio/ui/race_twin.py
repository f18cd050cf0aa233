"""Exact twin: the same samplers on a plane, where the answer is known in closed form.

The page's script draws and asks; this module hands it races and ladders as data. Everything that
follows from the mixture itself (densities, fields, guidance) the script works out on its own.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import gradio as gr

from studio.contract import Engine
from studio.errors import BadRequest, StudioError
from studio.twinning import (
    MAX_LANES,
    MAX_SCALE,
    MAX_STEPS,
    PARTICLES,
    PATHS,
    STEERINGS,
    Climb,
    Cloud,
    Data,
    Lane,
    Raced,
    Steering,
    TwinRace,
)
from studio.ui import player, stream, theme
from studio.ui.page import Page

START = (
    {"sampler": "ddim", "path": "ve", "steps": 20, "spacing": "karras", "eta": 0.0},
    {"sampler": "heun", "path": "ve", "steps": 10, "spacing": "karras", "eta": 0.0},
    {"sampler": "dpmpp_2m", "path": "ve", "steps": 20, "spacing": "karras", "eta": 0.0},
    {"sampler": "ddpm", "path": "ve", "steps": 20, "spacing": "karras", "eta": 0.0},
)
FIRST = {"data": "grid25", "particles": 2000, "seed": "0", "steering": asdict(Steering())}
RUNGS = (5, 10, 20, 40, 80, 160)


def build(page: Page) -> None:
    """Lay the section out and wire it."""
    engine = page.engine
    gr.HTML(
        offered(engine),
        html_template=(theme.STATIC / "twin.html").read_text(encoding="utf-8"),
        js_on_load=player.mount("twin"),
        server_functions=[
            _answering("data", lambda ask: {"data": [mixture(d) for d in engine.twin.data()]}),
            _answering("race", lambda ask: raced(engine.twin.race(asked(ask)))),
            _answering("climb", lambda ask: _climbs(engine, ask)),
        ],
        apply_default_css=False,
        elem_id="twin",
    )


def offered(engine: Engine) -> dict[str, Any]:
    """What the controls offer, and what they show at first."""
    choices = engine.choices()
    return {
        "samplers": [asdict(choice) for choice in choices.samplers],
        "spacings": [{"id": s.id, "label": s.label} for s in choices.spacings],
        "paths": list(PATHS),
        "steerings": list(STEERINGS),
        "limits": {
            "lanes": MAX_LANES, "steps": MAX_STEPS, "particles": list(PARTICLES),
            "scale": MAX_SCALE,
        },
        "lanes": list(START),
        "race": FIRST,
        "rungs": list(RUNGS),
    }  # fmt: skip


def asked(ask: Any) -> TwinRace:
    """A race out of what the page sends. Raises BadRequest; garbage never gets further."""
    try:
        lanes = tuple(Lane(**dict(lane)) for lane in ask["lanes"])
        steering = Steering(**dict(ask["steering"]))
        seed, data, particles = str(ask["seed"]).strip(), str(ask["data"]), ask["particles"]
    except (KeyError, TypeError, ValueError):
        raise BadRequest("This race does not parse; load the page again.") from None
    if not (seed.isascii() and seed.isdigit() and len(seed) <= 20):
        raise BadRequest(f"The seed must be a whole number, not “{seed[:40]}”.")
    return TwinRace(lanes, data, particles, int(seed), steering)


def raced(made: Raced) -> dict[str, Any]:
    """A finished race as the script draws it."""
    return {
        "xt": made.xt_sha256,
        "data": mixture(made.data),
        "race": {"steering": asdict(made.race.steering)},
        "lanes": [
            {
                "lane": asdict(ran.lane), "label": ran.label, "order": ran.order,
                "stochastic": ran.stochastic, "nfe": ran.nfe, "way": ran.way, "rmse": ran.rmse,
                "median": ran.median, "gap": asdict(ran.gap), "straightness": ran.straightness,
                "seconds": ran.seconds, "same_as": ran.same_as, "cloud": _cloud(ran.cloud),
                "frames": [[f.step, f.nfe, f.t, f.angle, int(f.inner)] for f in ran.frames],
            }
            for ran in made.lanes
        ],
        "ways": [{"angles": way.angles, "cloud": _cloud(way.cloud)} for way in made.ways],
        "ideal": _cloud(made.ideal),
        "floor": asdict(made.floor),
        "spread": asdict(made.spread),
        "draws": made.draws,
        "ideal_gap": asdict(made.ideal_gap),
        "ideal_floor": asdict(made.ideal_floor),
        "marked": made.marked,
        "tolerance": made.tolerance,
        "seconds": made.seconds,
    }  # fmt: skip


def mixture(data: Data) -> dict[str, Any]:
    """A mixture as lists."""
    return asdict(data)


def _climbs(engine: Engine, ask: Any) -> dict[str, Any]:
    try:
        nfes = tuple(ask["nfes"])
    except (KeyError, TypeError):
        raise BadRequest("This race does not parse; load the page again.") from None
    return {"climbs": [_climb(climb) for climb in engine.twin.climb(asked(ask), nfes)]}


def _climb(climb: Climb) -> dict[str, Any]:
    return asdict(climb)


def _cloud(cloud: Cloud) -> dict[str, Any]:
    packed = base64.b64encode(cloud.packed).decode()
    return {"frames": cloud.frames, "points": cloud.points, "reach": cloud.reach, "packed": packed}


def _answering(name: str, function: Callable[[Any], dict]) -> Callable[[Any], dict]:
    """A server function that answers with a sentence where it would raise."""

    def answer(ask: Any) -> dict:
        try:
            return function(ask)
        except StudioError as error:
            return {"problem": stream.problem(error)}
        except Exception as error:
            logging.getLogger(__name__).exception("the twin failed")
            return {"problem": stream.problem(error)}

    answer.__name__ = name
    return answer
