"""What watching costs: `python -m benchmarks.streaming [--json]`.

Every ratio is of two things that were timed in turns in this run, on this machine; the table has
medians and quartiles. Nothing is compared with a number from elsewhere.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import contenders, starts
from benchmarks.timing import Figure, figure, in_turns, ratio
from studio.checkpoints.load import load
from studio.contract import Guidance, Request, View
from studio.engine.engine import LocalEngine
from studio.errors import StudioError
from studio.settings import Settings

FORCED = ("rgb", "tiny")


@dataclass(slots=True)
class Report:
    """Figures by key, each with the words that the table gives it, and remarks."""

    rows: list[tuple[str, str, Figure]] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)  # ratios of CPU seconds, by the same keys

    def add(self, key: str, text: str, value: Figure) -> None:
        self.rows.append((key, text, value))

    def as_json(self) -> str:
        figures = {key: round(value.median, 4) for key, _, value in self.rows}
        spread = {key: [round(v.low, 4), round(v.high, 4)] for key, _, v in self.rows}
        more = {"spread": spread, "cpu": self.cpu} | self.notes
        return json.dumps(figures | more, ensure_ascii=False)

    def as_table(self) -> str:
        lines = [f"{'':60} median  (quartiles)" + " " * 13 + "by CPU seconds"]
        for key, text, value in self.rows:
            cpu = f"{self.cpu[key]:12.3f}" if key in self.cpu else ""
            lines.append(f"{text:58} {value!s:32} {cpu}".rstrip())
        return "\n".join([*lines, "", *(f"{key}: {value}" for key, value in self.notes.items())])


def main(argv: list[str] | None = None) -> int:
    args = _arguments(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    settings = Settings(models=Path(args.models).resolve(), threads=args.threads)
    report = Report()
    try:
        _runs(settings, args, report)
        if not args.no_starts:
            _starts(settings, args, report)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.as_json() if args.json else report.as_table())
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.streaming", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one line of JSON, no table")
    parser.add_argument("--model", default="icons-unet", help="a Stable Diffusion checkpoint")
    parser.add_argument("--models", default=str(Settings().models), help="the folder it is in")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=0, help="0: torch's own choice")
    parser.add_argument("--no-starts", action="store_true", help="leave out fresh processes")
    return parser.parse_args(argv)


def _runs(settings: Settings, args: argparse.Namespace, report: Report) -> None:
    """Warm runs: the engine over the bare loop, and over diffusers."""
    engine = LocalEngine(settings).start(warm=False)
    try:
        entry = next((e for e in engine.catalog() if e.id == args.model), None)
        if entry is None or entry.family != "sd":
            raise StudioError(f"There is no Stable Diffusion checkpoint {args.model!r} to measure.")
        request = Request(
            model=args.model,
            width=entry.size,
            height=entry.size,
            steps=args.steps,
            guidance=Guidance("cfg", 5.0),
        )
        checkpoint = load(_entry(settings, args.model), "cpu", lambda doing, share: None, {})
        best, pipe = contenders.at_its_best(
            settings.models / args.model, request.with_(prompt="a pizza")
        )
        _same_pixels(engine, checkpoint, pipe, request.with_(prompt="red apple"), report)

        counter = iter(range(10**9))

        def fresh() -> Request:
            """A prompt that nobody has encoded yet: encoding is part of everybody's time."""
            return request.with_(prompt=f"blue heart {next(counter)}", seed=7)

        first: list[float] = []
        cards: dict[str, list[float]] = {}
        split: list[tuple[float, float, float]] = []

        def watched(preview: str) -> None:
            seen = contenders.studio(engine, fresh(), View(preview=preview))
            cards.setdefault(seen.finished.preview.kind, []).append(seen.finished.preview.ms)
            if preview == "auto":
                forwards = sum(step.forward_ms for step in seen.steps) / 1000
                split.append((seen.finished.seconds, forwards, sum(seen.finished.step_ms) / 1000))

        def preview(_: int) -> float:
            seconds = _first_preview(engine, fresh())
            first.append(seconds)
            return seconds

        racing = {
            "bare": lambda _: contenders.void(contenders.bare(checkpoint, fresh())),
            "diffusers": lambda _: contenders.void(contenders.diffusers(pipe, fresh())),
            "off": lambda _: watched("off"),
            "auto": lambda _: watched("auto"),
            "first preview": preview,
        } | {kind: lambda _, k=kind: watched(k) for kind in FORCED}
        in_turns(racing, 2)  # warm all of them
        for kept in (first, split, *cards.values()):
            kept.clear()
        times = in_turns(racing, args.rounds)
    finally:
        engine.close()

    over = {
        "streaming_over_bare": ("rgb", "bare", "streamed, previews by the linear map / bare loop"),
        "streaming_over_bare_tiny": ("tiny", "bare", "streamed, by the tiny decoder / bare loop"),
        "streaming_over_bare_auto": ("auto", "bare", "streamed, as the studio chooses / bare loop"),
        "events_over_bare": ("off", "bare", "events and recording, no previews / bare loop"),
        "studio_over_diffusers": ("auto", "diffusers", "streamed, as it chooses / diffusers"),
        "studio_over_diffusers_rgb": (
            "rgb",
            "diffusers",
            "streamed, by the linear map / diffusers",
        ),
        "bare_over_diffusers": ("bare", "diffusers", "bare loop / diffusers"),
    }
    for key, (a, b, text) in over.items():
        report.add(key, text, ratio(times[a].wall, times[b].wall))
        report.cpu[key] = round(ratio(times[a].cpu, times[b].cpu).median, 4)
    report.add("bare_s", "a bare run, s", figure(times["bare"].wall))
    report.add("diffusers_s", "a run in diffusers, s", figure(times["diffusers"].wall))
    report.add("studio_s", "a streamed run, s", figure(times["auto"].wall))
    for key, kind in (
        ("ms_per_frame", "auto"),
        ("ms_per_frame_rgb", "rgb"),
        ("ms_per_frame_tiny", "tiny"),
    ):
        pairs = zip(times[kind].wall, times["off"].wall, strict=True)
        extra = [1000 * (with_ - without) / args.steps for with_, without in pairs]
        report.add(key, f"what a step's previews add ({kind}), ms", figure(extra))
    report.add("first_preview_s_warm", "asked to first preview, warm, s", figure(first))
    drawn = {
        kind: round(figure(ms).median, 3) for kind, ms in cards.items() if ms and kind != "off"
    }
    whole, forwards, steps = (
        sorted(column)[len(split) // 2] for column in zip(*split, strict=True)
    )
    report.notes |= {
        "drawn_ms": drawn,
        "profile_s": {
            "run": round(whole, 4),
            "forwards": round(forwards, 4),
            "previews, recording and the sampler": round(steps - forwards, 4),
            "decode and PNG": round(whole - steps, 4),
        },
        "diffusers_settings": best,
        "threads": torch.get_num_threads(),
        "steps": args.steps,
        "rounds": args.rounds,
        "model": args.model,
    }


def _entry(settings: Settings, model: str) -> Any:
    from studio.checkpoints.catalog import scan

    return scan(settings.models)[model]


def _same_pixels(engine, checkpoint, pipe, request: Request, report: Report) -> None:
    """Raise unless all three make the same picture, to one part in 255."""
    ours = contenders.studio(engine, request, View()).pixels.astype(int)
    others = {
        "bare loop": contenders.bare(checkpoint, request),
        "diffusers": contenders.diffusers(pipe, request),
    }
    for name, theirs in others.items():
        difference = np.abs(ours - theirs.astype(int))
        if difference.max() > 1:
            raise StudioError(
                f"The {name} makes another picture (largest difference {difference.max()} of 255); "
                "their times say nothing about each other."
            )
        report.notes[f"values_that_differ_by_1_from_{name.replace(' ', '_')}"] = int(
            (difference == 1).sum()
        )


def _first_preview(engine: LocalEngine, request: Request) -> float:
    """Seconds from asking to the first preview; the run is stopped then."""
    start = time.perf_counter()
    run = engine.submit(request, View())
    for event in engine.events(run):
        if getattr(event, "x0", ()):
            seconds = time.perf_counter() - start
            engine.cancel(run)
    engine.forget(run)
    return seconds


def _starts(settings: Settings, args: argparse.Namespace, report: Report) -> None:
    """Fresh processes: the port over the import, and the first preview from nothing."""
    rounds = max(3, args.rounds // 2)
    racing = {"port": starts.port_bound, "import": starts.import_gradio}
    in_turns(racing, 1)  # the disk's cache
    times = in_turns(racing, rounds)
    report.add(
        "port_over_import",
        "process start to port bound / importing gradio",
        ratio(times["port"].wall, times["import"].wall),
    )
    report.add("port_s", "process start to port bound, s", figure(times["port"].wall))
    cold = [starts.first_preview(settings.models, args.model, args.steps) for _ in range(3)]
    report.add("first_preview_s_cold", "process start to first preview, s", figure(cold))


if __name__ == "__main__":
    sys.exit(main())
