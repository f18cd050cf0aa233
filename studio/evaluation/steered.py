"""The evaluation of a control network: do generated edges follow the lines that were given?

The same prompt and noise with the control and without, on hints of pictures that no training saw.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from studio.contract import Request
from studio.controls import Control, ControlInfo
from studio.evaluation import judging
from studio.evaluation.drawing import Easel, weights_of
from studio.evaluation.evaluate import TIMED, Bench, written
from studio.evaluation.figures import Figure, mean, none
from studio.evaluation.reals import described, reals
from studio.evaluation.subject import Subject
from studio.imaging.encode import png
from studio.imaging.preprocessors import PREPROCESSORS
from studio.metrics import edges
from studio.training import hints

HINTS = 64  # held-out pictures; those of taught concepts first


def evaluate(who: Subject, bench: Bench, control: str, folder: Path) -> dict[str, Any]:
    """Every bar of a control, its base drawing. Raises StudioError."""
    date, data = time.strftime("%Y-%m-%d", time.gmtime()), bench.data
    info = next(c for c in bench.engine.steering.controls() if c.id == control)
    real, rows = reals(data, bench.space, bench.folder), shown(who, bench)
    pictures = [np.ascontiguousarray(data.pixels[row]) for row in rows]
    slugs = [data.records[row].concept for row in rows]
    followed = [
        request(who, info, bench.engine.keep(png(picture)), data.concepts[slug].name, place)
        for place, (picture, slug) in enumerate(zip(pictures, slugs, strict=True))
    ]
    free = [one.with_(controls=()) for one in followed]
    easel = Easel(
        bench.engine, bench.folder / control, weights_of(folder, who.entry.folder), bench.say
    )
    made = easel.draw(followed, "with the control")
    without = easel.draw(free, "without it")
    drawn = [sized(picture, made[0].shape[0]) for picture in pictures]
    given = [hints.lines(info.preprocessor, picture) for picture in drawn]
    scores, bare, bound = (fits(some, given) for some in (made, without, drawn))
    known = [f1 for f1, slug in zip(scores, slugs, strict=True) if slug in set(who.taught)]
    seen = described(bench.space, made)
    figures: dict[str, Figure] = {
        f"retrieval_at_{first}": judging.retrieval(seen, slugs, real, who.taught, first)
        for first in (1, 5)
    }
    for name in ("synonyms_at_5", "frechet", "kid", "autoencoder_psnr", "autoencoder_ssim"):
        figures[name] = none(f"that is {who.entry.id}'s")
    figures["edge_f1"] = mean(
        scores,
        without=float(np.mean(bare)),
        above=float(np.mean(scores) - np.mean(bare)),
        of_the_pictures_themselves=float(np.mean(bound)),
        taught={"value": float(np.mean(known)) if known else None, "n": len(known)},
        tolerance=edges.TOLERANCE,
    )
    figures["seconds_per_picture"] = easel.timed(followed[0], bench.upto(TIMED))
    figures["near_copies"] = none(f"that is {who.entry.id}'s")
    found = written(who, bench, date, figures, {}, len(made))
    found["model"] = control
    found["used"] |= {
        "base": who.entry.id,
        "weights": easel.weights,
        "guidance": followed[0].guidance.scale,
        "scale": info.scale,
    }
    return found


def shown(who: Subject, bench: Bench) -> list[int]:
    """Held-out pictures, those of concepts that the base was taught first."""
    taught, data = set(who.taught), bench.data
    rows = [i for i, record in enumerate(data.records) if record.held]
    rows.sort(key=lambda i: data.records[i].concept not in taught)
    return rows[: bench.upto(HINTS)]


def request(who: Subject, info: ControlInfo, image: str, prompt: str, place: int) -> Request:
    """As the control's folder advises."""
    scale = who.request.guidance.scale if info.guidance is None else info.guidance
    guidance = type(who.request.guidance)(scale=scale)
    control = Control(info.id, image, info.preprocessor, info.settings, info.scale)
    seed = who.seed * 1_000_000 + 30_000 + place
    return who.request.with_(prompt=prompt, guidance=guidance, controls=(control,), seed=seed)


def sized(picture: np.ndarray, side: int) -> np.ndarray:
    """The square picture with as many pixels a side."""
    if len(picture) == side:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def fits(pictures: list[np.ndarray], given: list[np.ndarray]) -> list[float]:
    """The F1 of each picture's Canny edges against the lines."""
    canny = PREPROCESSORS["canny"]
    return [
        edges.match(canny(picture)[..., 0], lines).f1
        for picture, lines in zip(pictures, given, strict=True)
    ]
