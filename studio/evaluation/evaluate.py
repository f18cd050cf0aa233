"""The whole evaluation of one checkpoint: asks, draws, measures; a dict fit for `eval.json`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.checkpoints.entry import Entry
from studio.contract import Engine
from studio.evaluation import judging, subject
from studio.evaluation.autoencoding import round_trip
from studio.evaluation.drawing import Easel, Say, weights_of
from studio.evaluation.figures import Figure, none, shortened
from studio.evaluation.reals import Reals, described, reals
from studio.evaluation.spaces import Space
from studio.evaluation.subject import Subject
from studio.training.dataset import IconData

FORMAT = 1
HELD, TRIPS, TIMED = 200, 200, 9  # pictures through the autoencoder; of them copied; timed alone


@dataclass(frozen=True, slots=True)
class Bench:
    """What every evaluation needs: the engine, the pictures, the features, where to keep things."""

    engine: Engine
    data: IconData
    space: Space
    folder: Path
    limit: int | None = None
    say: Say = print

    def upto(self, count: int, times: int = 1) -> int:
        """`count`, or the limit so many times: what is not drawn costs less."""
        return count if self.limit is None else min(count, times * self.limit)


def evaluate(who: Subject, bench: Bench, others: dict[str, Entry]) -> dict[str, Any]:
    """Every bar of a checkpoint without a control. Raises StudioError."""
    data, started = bench.data, time.strftime("%Y-%m-%d", time.gmtime())
    bench.say("the real pictures")
    real = reals(data, bench.space, bench.folder)
    easel = Easel(
        bench.engine, bench.folder / who.entry.id, weights_of(who.entry.folder), bench.say
    )
    asked = subject.concepts(who, data, bench.limit)
    slugs = [one.concept for one in asked]
    made = easel.draw([one.request for one in asked], "concepts")
    seen = described(bench.space, made)
    figures: dict[str, Figure] = {
        f"retrieval_at_{first}": judging.retrieval(seen, slugs, real, who.taught, first)
        for first in (1, 5)
    }
    figures["synonyms_at_5"] = _synonyms(who, bench, easel, real)
    figures["frechet"], figures["kid"] = judging.distances(seen, real, who.taught, who.seed)
    figures["edge_f1"] = none("it follows no lines: it is no control")
    figures |= _autoencoder(who, bench, real, made, others)
    figures["seconds_per_picture"] = easel.timed(asked[0].request, bench.upto(TIMED))
    also = {"colours": _colours(who, bench, easel)} | judging.beside(seen, real, who.taught)
    found = written(who, bench, started, figures, also, len(asked))
    found["used"]["weights"] = easel.weights
    return found


def written(
    who: Subject, bench: Bench, date: str, figures: dict[str, Figure], also: dict, count: int
) -> dict[str, Any]:
    """The figures, then what belongs beside them, then what was used."""
    import torch

    request, known = who.request, len({r.concept for r in bench.data.records})
    used = {
        "date": date,
        "features": bench.space.words,
        "key": bench.space.key,
        "seed": who.seed,
        "sampler": request.sampler,
        "spacing": request.spacing,
        "steps": request.steps,
        "guidance": request.guidance.scale if request.guidance.kind != "none" else 1.0,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "pictures": count,
        "taught": {"concepts": len(who.taught), "of": known, "share": len(who.taught) / known},
    }
    said = {name: figure.said() for name, figure in figures.items()}
    more = {name: figure.said() for name, figure in also.items()}
    return {"format": FORMAT, "model": who.entry.id, **said, "also": more, "used": shortened(used)}


def _synonyms(who: Subject, bench: Bench, easel: Easel, real: Reals) -> Figure:
    if who.by_class:
        return none("it takes classes, not words")
    asked = subject.synonyms(who, bench.data, bench.limit)
    if not asked:
        return none("no word of a concept that it was taught was held out")
    made = easel.draw([one.request for one in asked], "held-out words")
    seen = described(bench.space, made)
    return judging.synonyms(seen, [a.concept for a in asked], [a.word for a in asked], real)


def _colours(who: Subject, bench: Bench, easel: Easel) -> Figure:
    if who.by_class:
        return none("it takes classes, not words")
    asked = subject.colours(who, bench.data, bench.limit)
    if not asked:
        return none("none of the things that are asked for in colours was taught")
    made = easel.draw([one.request for one in asked], "colours")
    without = [one.request for one in subject.colourless(who, asked, bench.data)]
    plain = easel.draw(without, "the same without a colour")
    things = [one.concept for one in asked]
    return judging.colours(made, plain, [one.word for one in asked], things)


def _autoencoder(
    who: Subject, bench: Bench, real: Reals, made: list[np.ndarray], others: dict[str, Entry]
) -> dict[str, Figure]:
    """PSNR and SSIM on held-out pictures, and the copies, which are told by the round trip."""
    decode = round_trip(who.entry, others)
    if decode is None:
        nothing = none("its states are the pictures: it has no autoencoder")
        copies = none("without an autoencoder there is no measure of what a copy is")
        return dict.fromkeys(("autoencoder_psnr", "autoencoder_ssim"), nothing) | {
            "near_copies": copies
        }
    bench.say("the autoencoder")
    pixels, random = bench.data.pixels, np.random.default_rng(who.seed)
    held = random.permutation(real.held)[: bench.upto(HELD, 2)]
    pictures = [np.ascontiguousarray(pixels[row]) for row in held]
    psnr, ssim = judging.autoencoder(decode, pictures)
    places = random.permutation(real.of(who.taught))[: bench.upto(TRIPS)]
    rows = [real.rows[place] for place in places]
    trips = [decode(np.ascontiguousarray(pixels[row])) for row in rows]
    copies = judging.near_copies(made, real, places.tolist(), trips)
    own = judging.retrieval(described(bench.space, trips), real.concepts(rows), real, who.taught, 1)
    copies.more["round_trips"]["retrieval_at_1"] = own.value
    return {"autoencoder_psnr": psnr, "autoencoder_ssim": ssim, "near_copies": copies}
