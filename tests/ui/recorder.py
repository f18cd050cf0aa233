"""The race that the page plays before any click: `python -m tests.ui.recorder [--nfe N …]`.

It is raced on the real engine and written to assets/first-race: the last message of the board, with
every frame of x̂0 as a small JPEG beside it. Seconds are left out; they are the machine's.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from dataclasses import replace
from pathlib import Path

from PIL import Image

from studio.engine.engine import LocalEngine
from studio.settings import Settings
from studio.ui import race_messages, stream, theme

QUALITY = 78  # of JPEG


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="red apple")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nfe", type=int, default=12)
    parser.add_argument("--reference", type=int, default=200)
    parser.add_argument("--ladder", type=int, nargs="*", default=[5, 10, 20, 40, 80])
    parser.add_argument("--out", type=Path, default=theme.ASSETS / "first-race")
    args = parser.parse_args()
    engine = LocalEngine(Settings.from_env({}))
    engine.start()
    try:
        record(engine, args)
    finally:
        engine.close()


def record(engine: LocalEngine, args: argparse.Namespace) -> None:
    """Race, and write what the page would have been told last."""
    info = next(i for i in engine.catalog() if i.id == engine.default_model())
    base = replace(info.defaults, prompt=args.prompt, seed=args.seed)
    request = engine.races.default(base).with_(
        nfe=args.nfe, reference=args.reference, ladder=tuple(args.ladder)
    )
    race = engine.races.submit(request)
    board = race_messages.Board(race, 0, engine.choices())
    frames, message = [], {}
    for batch in stream.batches(engine.races.events(race)):
        message = board.tell(batch)
        frames += message["frames"]
        print(message["kind"], message.get("measuring"), flush=True)
    if message["kind"] != "finished":
        raise SystemExit(f"The race ended otherwise: {message.get('message', message['kind'])}")
    args.out.mkdir(parents=True, exist_ok=True)
    for old in args.out.iterdir():
        old.unlink()
    message.pop("points", None)
    message |= {"kind": "recorded", "race": "recorded", "number": 0, "measuring": None}
    message["frames"] = [
        {"lane": f["lane"], "index": f["index"],
         "x0": _small(args.out, f"x0-{f['lane']:02}-{f['index']:02}", f["x0"])}
        for f in frames
    ]  # fmt: skip
    for one in message["pictures"]:
        one["png"] = _small(args.out, f"picture-{one['lane']:02}", one["png"])
    for place, one in enumerate(message["result"]["references"]):
        one["png"] = _small(args.out, f"reference-{place}", one["png"])
    for row in message["result"]["rows"]:
        row |= {"seconds": None, "seconds_raced": None}
    for lane in message["lanes"]:
        lane |= {"seconds": None, "ms": None}
    made = message["result"]
    made["seconds"] = None
    made["notes"] = [note for note in made["notes"] if note["key"] != "said_race_seconds"]
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    (args.out / "race.json").write_text(text + "\n", encoding="utf-8")
    sizes = [path.stat().st_size for path in args.out.iterdir()]
    print(f"{len(sizes)} files, {sum(sizes) / 1000:.0f} kB")


def _small(folder: Path, name: str, address: str) -> str:
    """The picture of a data URI as a JPEG file; its name."""
    data = base64.b64decode(address.split(",", 1)[1])
    with Image.open(io.BytesIO(data)) as image:
        path = folder / f"{name}.jpg"
        image.convert("RGB").save(path, "JPEG", quality=QUALITY, optimize=True)
    return path.name


if __name__ == "__main__":
    main()
