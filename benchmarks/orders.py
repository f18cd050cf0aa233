"""Measured orders of convergence: `python -m benchmarks.orders [--json]`.

Every deterministic sampler walks the probability flow of a two-humped mixture in one dimension,
where the exact end of every start is known, and the worst error over 33 quantiles is fitted
against the number of steps on a log-log line. Float64; levels in equal steps of log-SNR.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
import torch

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.mixture import mixture
from studio.diffusion.path import Level, Path, flow, vp
from studio.diffusion.samplers.registry import SAMPLERS

STEPS = (32, 64, 128, 256)
TWIN = mixture([0.4, 0.6], [[-1.0], [0.8]], [0.3, 0.4])
FROM, TO = -8.0, 4.0  # log-SNR


def ramp(path: Path, steps: int) -> tuple[Level, ...]:
    """`steps` + 1 levels in equal steps of log-SNR, ending before the data is clean."""
    return tuple(path.at(float(v)) for v in np.linspace(FROM, TO, steps + 1))


def error(name: str, steps: int, path: Path | None = None) -> float:
    """The worst distance from the exact flow over 33 quantiles of the start."""
    path = path or vp(schedules.linear())
    places = ramp(path, steps)
    eps = torch.special.ndtri(torch.linspace(0.02, 0.98, 33, dtype=torch.float64))[:, None]
    x = places[0].sigma * eps
    with torch.no_grad():
        end = solve(SAMPLERS[name].method(x, path, places, noise=none), TWIN.answer)
    exact = TWIN.flow(x, places[0], places[-1])
    return float((end - exact).abs().max())


def order(errors: Sequence[float], steps: Sequence[int]) -> float:
    """Minus the slope of ln(error) over ln(steps)."""
    return -float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def none(step: int, stage: int = 0) -> float:
    """No noise: these are deterministic."""
    raise AssertionError("a deterministic sampler asked for noise")


def table() -> list[dict]:
    """One row for each deterministic sampler and path: errors and the measured order."""
    rows = []
    for name, sampler in SAMPLERS.items():
        if sampler.stochastic:
            continue
        for path in (vp(schedules.linear()), flow()):
            errors = [error(name, steps, path) for steps in STEPS]
            rows.append(
                {
                    "sampler": name, "path": path.kind, "nominal": sampler.order,
                    "evaluations": sampler.evaluations, "steps": STEPS, "errors": errors,
                    "order": order(errors, STEPS),
                }
            )  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line instead of a table")
    args = parser.parse_args()
    rows = table()
    if args.json:
        print(json.dumps({"rows": rows}))
        return
    heads = " | ".join(f"error at {n}" for n in STEPS)
    print(f"| sampler | path | nominal | measured | {heads} |\n|{'---|' * (4 + len(STEPS))}")
    for row in rows:
        facts = [row["sampler"], row["path"], row["nominal"], f"{row['order']:.2f}"]
        print("|", " | ".join(map(str, [*facts, *(f"{e:.1e}" for e in row["errors"])])), "|")


if __name__ == "__main__":
    main()
