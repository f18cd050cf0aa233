"""The one training loop: steps, a log line, saving, resuming, pausing. Knows nothing about what is
trained.

Everything random in step n is drawn from a generator seeded with (seed, n), so a resumed run sees
the same numbers as one that was never interrupted, and its weights come out the same.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

PAUSE = "PAUSE"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a run is, in steps, and how often it speaks, in seconds; `keep`, in steps, how often
    the averaged weights are kept for good, 0 for never.
    """

    steps: int
    log_s: float = 5.0
    save_s: float = 120.0
    sheet_s: float = 240.0
    keep: int = 0


def generator(seed: int, step: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


def train(
    folder: Path,
    parts: dict[str, object],
    step: Callable[[int], tuple[float | torch.Tensor, int]],
    pace: Pace,
    sheet: Callable[[int], None] | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Run `step(n) → (loss, pictures)` from where `folder/state.pt` left off to `pace.steps`;
    returns steps run now. The loss is a number, or a tensor that may still be on its way.

    parts: whatever has `state_dict` and `load_state_dict`; saved together, atomically. While a file
    PAUSE lies beside `folder` the loop saves once and sleeps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    saved = folder / "state.pt"
    first = _resume(saved, parts)
    seen, losses, clock = 0, [], time.monotonic()
    last_save = last_sheet = clock
    for n in range(first, pace.steps):
        if (folder.parent / PAUSE).exists():
            _save(saved, parts, n)
            say(f"paused at step {n}")
            while (folder.parent / PAUSE).exists():
                time.sleep(0.5)
            clock, seen = time.monotonic(), 0
        loss, pictures = step(n)
        losses.append(loss)
        seen += pictures
        now = time.monotonic()
        if now - clock >= pace.log_s or n + 1 == pace.steps:
            mean, rate = float(sum(losses)) / len(losses), seen / max(now - clock, 1e-9)
            line = {"step": n + 1, "loss": round(mean, 5), "pictures_per_s": round(rate, 1)}
            say(f"step {n + 1}/{pace.steps}  loss {mean:.4f}  {rate:.1f} pictures/s")
            with (folder / "loss.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            losses, seen, clock = [], 0, now
        if now - last_save >= pace.save_s or n + 1 == pace.steps:
            _save(saved, parts, n + 1)
            last_save = now
        if sheet and (now - last_sheet >= pace.sheet_s or n + 1 == pace.steps):
            sheet(n + 1)
            last_sheet = clock = time.monotonic()
            seen = 0
    return max(0, pace.steps - first)


def _resume(saved: Path, parts: dict[str, object]) -> int:
    if not saved.is_file():
        return 0
    state = torch.load(saved, weights_only=True, map_location="cpu")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return state["step"]


def _save(saved: Path, parts: dict[str, object], step: int) -> None:
    partial = saved.with_suffix(".partial")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, partial)
    partial.replace(saved)
