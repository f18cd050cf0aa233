"""`python -m studio race --twin NAME`: samplers on a mixture in the plane, against its exact flow.

Every sampler is run at every number of evaluations; the fitted orders and the distances to the
true mixture, with their sampling noise, are one line of JSON. `race.py` reads the options.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from studio.cli import machine
from studio.cli.generate import check_folders
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest
from studio.store.files import write_atomic
from studio.twinning import PATHS, STEERINGS, Climb, Lane, Raced, Steering, TwinRace

EXPLODING = "karras"  # the spacing of a path that has no table of times


def configure(parser: argparse.ArgumentParser) -> None:
    """The options that only the twin has."""
    add = parser.add_argument
    add("--twin", metavar="NAME", help="one, pair, moons, grid25, ring, spiral, pinwheel, …")
    add("--particles", type=int, default=2000, help="of the twin, 100 to 5000")
    add("--path", choices=PATHS, default="ve", help="what the twin's samplers walk along")
    add("--steer", choices=STEERINGS, default="none", help="guidance of the twin")
    add("--class", type=int, default=0, dest="label", help="what it is steered towards, from 0")
    add("--steer-scale", type=float, default=3.0, help="how strongly")


def run(
    args: argparse.Namespace,
    samplers: tuple[str, ...],
    nfes: tuple[int, ...],
    eta: float = 0.0,
    spacing: str | None = None,
) -> int:
    """Race them; raises StudioError with the sentence that is shown.

    `args` has `seed`, `json` (a Path or None), those of `configure` and of `machine.configure`.
    """
    if not samplers or not nfes:
        raise BadRequest("Name at least one sampler and one number of evaluations.")
    out: Path | None = args.json
    check_folders(out)
    engine = LocalEngine(machine.settings(args))
    try:
        engine.start(warm=False)
        asks = {choice.id: choice.evaluations for choice in engine.choices().samplers}
        usual = EXPLODING if args.path == "ve" else "trailing"
        lanes = tuple(
            Lane(id, args.path, max(1, max(nfes) // asks.get(id, 1)), spacing or usual, eta)
            for id in samplers
        )
        steering = Steering(args.steer, args.label, args.steer_scale)
        asked = TwinRace(lanes, args.twin, args.particles, args.seed, steering)
        raced = engine.twin.race(asked)
        climbs = list(engine.twin.climb(asked, nfes))
    finally:
        engine.close()
    line = json.dumps(told(raced, climbs), ensure_ascii=False)
    if out:
        write_atomic(out, line.encode())
    print(table(raced, climbs), file=sys.stderr)
    print(line)
    return 0


def told(raced: Raced, climbs: list[Climb]) -> dict[str, Any]:
    """What the line of JSON says."""
    return {
        "twin": raced.race.data,
        "particles": raced.race.particles,
        "seed": raced.race.seed,
        "steering": asdict(raced.race.steering),
        "xt_sha256": raced.xt_sha256,
        "tolerance": raced.tolerance,
        "marked": raced.marked,
        "sampling_noise": {"mean": asdict(raced.floor), "deviation": asdict(raced.spread)},
        "rows": [
            {
                "sampler": climb.lane.sampler, "path": climb.lane.path,
                "spacing": climb.lane.spacing, "eta": climb.lane.eta, "steps": rung.steps,
                "nfe": rung.nfe, "rmse": rung.rmse, "median": rung.median,
                "sliced_wasserstein": rung.sliced, "seconds": rung.seconds,
            }
            for climb in climbs
            for rung in climb.rungs
        ],
        "orders": [
            {
                "sampler": climb.lane.sampler, "nominal": climb.nominal, "order": climb.order,
                "error": climb.error, "stochastic": climb.stochastic,
            }
            for climb in climbs
        ],
    }  # fmt: skip


def table(raced: Raced, climbs: list[Climb]) -> str:
    """The same for a reader."""
    floor, spread = raced.floor.sliced, raced.spread.sliced
    lines = [f"{'sampler':<20}{'nfe':>6}{'rmse':>12}{'median':>12}{'sliced W1':>12}"]
    for climb in climbs:
        for rung in climb.rungs:
            errors = "".join(
                f"{'–' if e is None else format(e, '.3e'):>12}" for e in (rung.rmse, rung.median)
            )
            lines.append(f"{climb.lane.sampler:<20}{rung.nfe:>6}{errors}{rung.sliced:>12.4f}")
        if climb.order is not None:
            spread_of = f"{climb.order:.2f} ± {climb.error:.2f}"
            lines.append(f"{'':<20}order {spread_of}, nominal {climb.nominal}")
        elif climb.stochastic:
            lines.append(f"{'':<20}no pathwise limit")
    lines.append(f"two true samples are {floor:.4f} ± {spread:.4f} apart")
    return "\n".join(lines)
