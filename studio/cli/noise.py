"""`python -m studio noise`: the forward process of a picture, as a strip and one line of JSON.

Every x_t is made from the same x0 and the same eps. The line goes to stdout; it is all there is
with `--json`.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from studio.cli import machine
from studio.cli.generate import check_folders
from studio.engine.engine import LocalEngine
from studio.errors import BadPicture, BadRequest
from studio.imaging.pictures import MAX_FILE, to_png
from studio.noising import SPACES, Noising, Row, Schedule, Strip, check_shares
from studio.store.files import write_atomic

GAP = 4  # pixels between the frames of a strip
DIGITS = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """What is noised, how, and where the strip goes."""
    add = parser.add_argument
    add("--image", type=Path, required=True, help="a PNG, JPEG or WebP picture")
    add("--schedule", default="cosine", help="linear, scaled_linear, cosine, sigmoid, flow, …")
    add("--t", default="0.1,0.3,0.5,0.7,0.9", help="times as shares of the schedule: 0.1,0.5,0.9")
    add("--T", type=int, default=1000, dest="steps", help="how many training steps")
    add("--unscaled", action="store_true", help="β as written for T = 1000, whatever T is")
    add("--zero-snr", action="store_true", help="rescale the schedule to end at SNR 0")
    add("--shift", type=float, default=1.0, help="of a flow's time, towards noise")
    add("--space", choices=SPACES, default="pixel", help="noise the pixels or the model's latents")
    add("--model", help="the checkpoint whose latents they are; the default one if left out")
    add("--seed", type=int, default=0, help="names eps")
    add("--side", type=int, default=128, help="pixels a side, in pixel space")
    add("--out", type=Path, help="the strip as a PNG; in latent space a row as RGB, one decoded")
    add("--film", type=Path, help="from clean to noise as a .gif")
    add("--json", action="store_true", help="nothing but the line of JSON")
    machine.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Noise it; raises StudioError with the sentence that is shown."""
    if args.film and args.film.suffix != ".gif":
        raise BadRequest("A film of the forward process ends in .gif.")
    if args.out and args.out.suffix != ".png":
        raise BadRequest("A strip is a picture that ends in .png; give --out such a name.")
    check_folders(args.out, args.film)
    shares = check_shares(_times(args.t))
    id = args.schedule.replace("-", "_")
    schedule = Schedule(id, args.steps, not args.unscaled, args.zero_snr, args.shift)
    picture = _bytes(args.image)
    engine = LocalEngine(machine.settings(args))
    try:
        model = args.model
        if model is None and (args.space == "latent" or schedule.id == "model"):
            model = _latent_model(engine)
        asked = Noising(schedule, args.space, model or "", args.seed, args.side)
        engine.start(warm=False)
        made = engine.lab.strip(asked, picture, shares)
        if args.out:
            write_atomic(args.out, to_png(_sheet(made)))
        if args.film:
            write_atomic(args.film, engine.lab.film(asked, picture))
    finally:
        engine.close()
    if not args.json:
        print(_table(made.rows), file=sys.stderr)
    line = {
        **asdict(asked),
        "rows": [_row(row) for row in made.rows],
        "files": [str(file) for file in (args.out, args.film) if file],
    }
    print(json.dumps(line, ensure_ascii=False))
    return 0


def _times(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        said = f"The times t are numbers such as 0.1,0.5,0.9, not “{text[:40]}”."
        raise BadRequest(said) from None


def _bytes(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise BadPicture("There is no such picture file; choose another.")
        with file.open("rb") as opened:
            return opened.read(MAX_FILE + 1)
    except (OSError, ValueError):
        raise BadPicture("This file cannot be read; choose another.") from None


def _latent_model(engine: LocalEngine) -> str:
    """The default checkpoint, or the first that has latents where the default has none."""
    infos = sorted(engine.catalog(), key=lambda info: info.id != engine.default_model())
    return next((info.id for info in infos if info.family != "exact"), engine.default_model())


def _sheet(made: Strip) -> Image.Image:
    """The frames side by side; the decoded ones, where there are any, below."""
    lines = [[_open(frame) for frame in line] for line in (made.frames, made.decoded) if line]
    width, height = lines[0][0].size
    size = (
        len(made.frames) * (width + GAP) - GAP,
        len(lines) * (height + GAP) - GAP,
    )
    sheet = Image.new("RGB", size, "white")
    for y, line in enumerate(lines):
        for x, frame in enumerate(line):
            sheet.paste(frame, (x * (width + GAP), y * (height + GAP)))
    return sheet


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def _row(row: Row) -> dict:
    return {k: None if v is None else float(f"{v:.{DIGITS}g}") for k, v in asdict(row).items()}


def _table(rows: tuple[Row, ...]) -> str:
    names = ("t", "alpha_bar", "snr", "logsnr", "kl", "mean", "std")
    lines = ["".join(f"{name:>12}" for name in names)]
    for row in rows:
        values = (getattr(row, name) for name in names)
        lines.append("".join("           –" if v is None else f"{v:>12.5g}" for v in values))
    return "\n".join(lines)
