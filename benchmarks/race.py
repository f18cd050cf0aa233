"""What racing saves: `python -m benchmarks.race [--json]`.

A race of so many lanes against the same runs one after another through diffusers' own pipeline on
the same checkpoint, each lane with diffusers' scheduler of the same method. They take turns; every
ratio is of two times of one round. Lanes are watched: previews and events are part of the race.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import contenders
from benchmarks.streaming import Report
from benchmarks.timing import figure, in_turns, ratio
from studio.contract import View
from studio.engine.engine import LocalEngine
from studio.errors import StudioError
from studio.racing import Lane, LaneFinished, RaceFailed, RaceRequest
from studio.recipe import Guidance, Request
from studio.settings import Settings

LANES = (1, 2, 3, 4, 6, 8, 10, 12)
SCHEDULERS = {  # one evaluation a step each: diffusers' classes of the same methods
    "ddim": "DDIMScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "deis": "DEISMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "euler_ancestral": "EulerAncestralDiscreteScheduler",
    "ddpm": "DDPMScheduler",
}


def main(argv: list[str] | None = None) -> int:
    args = _arguments(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(models=Path(args.models).resolve(), threads=args.threads)
    report = Report()
    try:
        _measure(settings, args, report)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.as_json() if args.json else report.as_table())
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.race", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON, no table")
    parser.add_argument("--model", default="icons-unet", help="a Stable Diffusion checkpoint")
    parser.add_argument("--models", default=str(Settings().models), help="the folder it is in")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
    parser.add_argument("--lanes", default=",".join(map(str, LANES)), help="1,2,4,8")
    return parser.parse_args(argv)


def _measure(settings: Settings, args: argparse.Namespace, report: Report) -> None:
    engine = LocalEngine(settings).start(warm=False)
    try:
        entry = next((e for e in engine.catalog() if e.id == args.model), None)
        if entry is None or entry.family != "sd":
            raise StudioError(f"There is no Stable Diffusion checkpoint {args.model!r} to measure.")
        base = Request(
            model=args.model,
            width=entry.size,
            height=entry.size,
            steps=args.steps,
            guidance=Guidance("cfg", 5.0),
        )
        best, pipe = contenders.at_its_best(
            settings.models / args.model, base.with_(prompt="a pizza")
        )
        _same_pixels(engine, pipe, base.with_(prompt="red apple"), report)
        counter = iter(range(10**9))

        def fresh() -> Request:
            """A prompt that nobody has encoded yet: encoding is part of everybody's time."""
            return base.with_(prompt=f"blue heart {next(counter)}", seed=7)

        counts = [int(n) for n in args.lanes.split(",")]
        times = _times(engine, pipe, fresh, counts, args.rounds)
    finally:
        engine.close()
    for count in counts:
        key, text = f"race_over_diffusers_{count}", f"{count} lanes / {count} runs in diffusers"
        report.add(key, text, ratio(times[f"race {count}"].wall, times[f"runs {count}"].wall))
        report.cpu[key] = round(
            ratio(times[f"race {count}"].cpu, times[f"runs {count}"].cpu).median, 4
        )
        report.add(f"race_s_{count}", f"{count} lanes, s", figure(times[f"race {count}"].wall))
    report.notes |= {
        "diffusers_settings": best,
        "threads": torch.get_num_threads(),
        "steps": args.steps,
        "rounds": args.rounds,
        "model": args.model,
        "lanes": list(SCHEDULERS),
    }


def _times(
    engine: LocalEngine,
    pipe: Any,
    fresh: Callable[[], Request],
    counts: list[int],
    rounds: int,
) -> dict[str, Any]:
    """Each count of lanes as a race and as runs in diffusers, in turns."""
    samplers = [list(SCHEDULERS)[k % len(SCHEDULERS)] for k in range(max(counts))]

    def raced(count: int) -> None:
        request = fresh()
        lanes = [Lane(s, request.steps, guidance=request.guidance) for s in samplers[:count]]
        if count == 1:
            contenders.studio(engine, request.with_(sampler=samplers[0]), View())
        else:
            race(engine, RaceRequest(request, tuple(lanes), reference=0))

    def one_after_another(count: int) -> None:
        request = fresh()
        for sampler in samplers[:count]:
            through(pipe, sampler, request)

    contestants: dict[str, Callable[[int], float | None]] = {}
    for count in counts:
        contestants[f"race {count}"] = lambda _, n=count: raced(n)
        contestants[f"runs {count}"] = lambda _, n=count: one_after_another(n)
    in_turns({name: contestants[name] for name in (f"race {max(counts)}", "runs 1")
              if name in contestants}, 1)  # fmt: skip
    return in_turns(contestants, rounds)


def race(engine: LocalEngine, request: RaceRequest) -> list[LaneFinished]:
    """A race in the engine, every event read up to the last lane's picture."""
    id = engine.races.submit(request)
    done: list[LaneFinished] = []
    for event in engine.races.events(id):
        if isinstance(event, RaceFailed):
            raise StudioError(event.message)
        if isinstance(event, LaneFinished):
            done.append(event)
        if len(done) == len(request.lanes):
            break
    engine.races.forget(id)
    return done


def through(pipe: Any, sampler: str, request: Request) -> np.ndarray:
    """A run in diffusers' pipeline with its scheduler of this method."""
    import diffusers

    usual = pipe.scheduler
    kind = getattr(diffusers, SCHEDULERS[sampler])
    try:
        pipe.scheduler = kind.from_config(usual.config)
        return contenders.diffusers(pipe, request)
    finally:
        pipe.scheduler = usual


def _same_pixels(engine: LocalEngine, pipe: Any, request: Request, report: Report) -> None:
    """Raise unless the race's DDIM lane makes diffusers' picture, to one part in 255."""
    from studio.imaging.pictures import open_picture

    lanes = tuple(Lane(s, request.steps, guidance=request.guidance) for s in list(SCHEDULERS)[:4])
    done = race(engine, RaceRequest(request, lanes, reference=0))
    first = next(event for event in done if event.lane == 0)
    ours = np.asarray(open_picture(first.png)).astype(int)
    theirs = through(pipe, "ddim", request).astype(int)
    difference = int(np.abs(ours - theirs).max())
    if difference > 1:
        raise StudioError(
            f"diffusers makes another picture (largest difference {difference} of 255); their "
            "times say nothing about each other."
        )
    report.notes["values_that_differ_by_1_from_diffusers"] = int(np.abs(ours - theirs).sum())


if __name__ == "__main__":
    start = time.perf_counter()
    status = main()
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    sys.exit(status)
