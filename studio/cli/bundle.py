"""A run as a folder of small frames, for a page that plays it before anybody has clicked.

`run.json` names the frames; nothing is needed to play them but a browser.
"""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from studio.contract import Engine, Finished, What
from studio.store.files import write_atomic

QUALITY = {"xt": 55, "x0": 88}  # noise costs ten times what a picture does and says less


def write_bundle(engine: Engine, finished: Finished, folder: Path) -> None:
    """Write the run's frames, its first picture and `run.json` into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("x[t0]-*.jpg"), *folder.glob("run.json")]:
        old.unlink()
    steps = []
    for k, level in enumerate(engine.levels(finished.run)):
        names = {what: f"{what}-{k:03d}.jpg" for what in QUALITY}
        for what, name in names.items():
            write_atomic(folder / name, _frame(engine, finished.run, k, what))
        place = {"index": level.step, "t": level.t, "share": level.share, "logsnr": level.logsnr}
        steps.append(place | {"ms": round(finished.step_ms[level.step], 2)} | names)
    write_atomic(folder / "picture.png", finished.pictures[0])
    titles = {info.id: info.title for info in engine.catalog()}
    said = {
        "request": asdict(finished.request),
        "model_title": titles[finished.request.model],
        "nfe": finished.nfe,
        "seconds": round(finished.seconds, 3),
        "picture": "picture.png",
        "steps": steps,
    }
    text = json.dumps(said, ensure_ascii=False, indent=1) + "\n"
    write_atomic(folder / "run.json", text.encode())


def _frame(engine: Engine, run: str, step: int, what: What) -> bytes:
    """One recorded frame as a small JPEG."""
    out = io.BytesIO()
    picture = Image.open(io.BytesIO(engine.frame(run, step, what)))
    picture.save(out, "JPEG", quality=QUALITY[what], optimize=True)
    return out.getvalue()
