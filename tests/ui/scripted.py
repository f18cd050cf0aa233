"""A scripted engine: the whole contract with drawn pictures, for the page's tests and screenshots.

It knows a few words. A prompt with "broken" fails at step 3, with "slow" takes 0.4 s a step, with
"held" stays at step 9 until it is stopped or only its first picture is wanted, with "full" is
refused as if the queue were full.
`python -m tests.ui.scripted --port N` serves it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import secrets
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from studio import contract as c
from studio.checkpoints.catalog import Catalog
from studio.engine.adapting import Adapting
from studio.errors import BadRequest, Busy, NotFound
from studio.prompting import Tokens, plain
from studio.ui import start_form
from tests.ui import drawings, inline
from tests.ui.scripted_holdings import FEW, ScriptedHoldings, ScriptedInsides
from tests.ui.scripted_races import ScriptedRaces
from tests.ui.scripted_steering import ScriptedSteering

KNOWN = ("red apple", "blue heart", "pizza", "rocket", "cat face", "smiling face")
SAMPLERS = (
    c.Choice("ddim", "DDIM", "Euler on the probability-flow ODE", uses_eta=True),
    c.Choice("ddpm", "DDPM", "ancestral sampling of the trained chain", stochastic=True),
    c.Choice("euler_ancestral", "Euler ancestral", "a step, then fresh noise", stochastic=True),
    c.Choice("heun", "Heun", "second order, two evaluations a step", evaluations=2),
    c.Choice("dpmpp_2m", "DPM-Solver++ 2M", "second order, one evaluation a step"),
    c.Choice("lms", "LMS", "four answers remembered"),
    c.Choice("unipc", "UniPC", "every answer corrects the step before it"),
    c.Choice("edm", "EDM", "adds noise, takes more away", evaluations=2, stochastic=True),
)
SPACINGS = (
    c.Choice("trailing", "trailing", "ends at the noisiest level"),
    c.Choice("leading", "leading", "starts at the cleanest level"),
    c.Choice("linspace", "linspace", "both ends included"),
    c.Choice("karras", "Karras", "even in σ^(1/7)"),
)


@dataclass
class _Run:
    request: c.Request
    view: c.View
    pace: float
    events: list = field(default_factory=list)
    levels: list = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    stop: bool = False
    only_first: bool = False
    ended: bool = False


class ScriptedEngine:
    """Implements contract.Engine. `pace` is the seconds a step takes."""

    def __init__(self, pace: float = 0.05) -> None:
        self.pace = pace
        self.runs: dict[str, _Run] = {}
        self.forgotten: list[str] = []
        self.lab = inline.lab()
        self.grids = inline.grids(self)
        self.races = ScriptedRaces(SAMPLERS, pace)
        self.steering = ScriptedSteering()
        self.holdings, self.insides = ScriptedHoldings(FEW), ScriptedInsides()
        self.adapting = Adapting(Catalog())

    def catalog(self) -> tuple[c.CheckpointInfo, ...]:
        def info(id: str, title: str, knows: str, **more) -> c.CheckpointInfo:
            return c.CheckpointInfo(
                id=id,
                title=title,
                knows=knows,
                size=128,
                latent=(8, 16, 16),
                licence="Apache-2.0",
                examples=KNOWN,
                defaults=c.Request(model=id, prompt="red apple", seed=3, steps=20),
                **more,
            )

        return (
            info(
                "icons-unet",
                "Icons UNet",
                "draws icons, 128 px",
                family="unet",
                parameters=7_900_000,
                bytes=16_000_000,
                prediction="v",
            ),
            info(
                "exact-icons",
                "Exact icons",
                "300 icons it can only recall, 128 px",
                family="exact",
                parameters=0,
                bytes=9_000_000,
                prediction="x0",
                trained=False,
            ),
        )

    def default_model(self) -> str:
        return "icons-unet"

    def keep(self, picture: bytes) -> str:
        return self.steering.uploads.keep(picture)

    def kept(self, picture: str) -> bytes:
        return self.steering.uploads.png(picture)

    def choices(self) -> c.Choices:
        return c.Choices(SAMPLERS, SPACINGS)

    def submit(self, request: c.Request, view: c.View | None = None) -> str:
        if request.model not in {info.id for info in self.catalog()}:
            raise BadRequest(
                f"There is no checkpoint “{request.model[:60]}” here; choose one from the list."
            )
        for control in request.controls:
            if said := self.steering.fits(control.model, request.model):
                raise BadRequest(said)
        for picture in request.pictures():
            self.kept(picture)
        if "full" in request.prompt:
            raise Busy("64 runs are waiting already; try again in a moment.")
        run = secrets.token_urlsafe(9)
        pace = 0.4 if "slow" in request.prompt else self.pace
        self.runs[run] = _Run(request, view or c.View(), pace)
        threading.Thread(target=self._work, args=(run,), daemon=True).start()
        return run

    def events(self, run: str, timeout: float | None = None):
        held = self._find(run)
        seen = 0
        while True:
            with held.changed:
                while len(held.events) <= seen:
                    held.changed.wait(timeout)
                fresh = held.events[seen:]
            seen += len(fresh)
            last_step = next((e for e in reversed(fresh) if isinstance(e, c.Step)), None)
            for event in fresh:  # a slow reader sees the newest Step only
                if not isinstance(event, c.Step) or event is last_step:
                    yield event
                if isinstance(event, c.LAST):
                    return

    def cancel(self, run: str) -> None:
        if run in self.runs:
            self.runs[run].stop = True

    def finish(self, run: str) -> None:
        if run in self.runs:
            self.runs[run].only_first = True

    def frame(self, run: str, step: int, what: c.What, picture: int = 0) -> bytes:
        held = self._find(run)
        if not 0 <= step < len(held.levels):
            raise NotFound("That step was not recorded.")
        return drawings.encode(self._pixels(held, step, what, picture), "PNG")

    def film(self, run: str, kind: c.Film, what: c.What = "x0", picture: int = 0) -> bytes:
        held = self._find(run)
        if kind == "mp4":
            return b"\x00\x00\x00\x18ftypmp42scripted"
        frames = [
            Image.fromarray(self._pixels(held, step, what, picture))
            for step in range(len(held.levels))
        ]
        out = io.BytesIO()
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
        return out.getvalue()

    def levels(self, run: str) -> tuple[c.Level, ...]:
        return tuple(self._find(run).levels)

    def known(self, model: str, prompt: str) -> c.Known:
        words = set(prompt.lower().split())

        def near(caption: str) -> float:
            theirs = set(caption.split())
            return round(0.31 + 0.69 * len(words & theirs) / len(theirs), 2)

        scored = [(caption, near(caption)) for caption in KNOWN]
        nearest = tuple(sorted(scored, key=lambda pair: -pair[1])[:3])
        return c.Known(nearest[0][1] > 0.6, nearest)

    def tokens(self, model: str, prompt: str) -> Tokens | None:
        count = len(plain(prompt).split())
        return None if model == "exact-icons" else Tokens(count, 30, 1, max(0, count - 30))

    def forget(self, run: str) -> None:
        self.cancel(run)
        self.forgotten.append(run)
        self.runs.pop(run, None)

    def status(self) -> str:
        return "ready"

    def close(self) -> None:
        for run in list(self.runs):
            self.forget(run)

    def _find(self, run: str) -> _Run:
        if run not in self.runs:
            raise NotFound("This run is no longer kept; run its recipe again.")
        return self.runs[run]

    def _drawn(self, r: c.Request, picture: int):
        """The finished picture; what it follows lies dark upon it."""
        made = drawings.drawing(r.prompt, r.seed + picture)
        for control in r.controls:
            png = self.steering.hint(control, drawings.SIDE, drawings.SIDE)
            with Image.open(io.BytesIO(png)) as hint:
                lines = np.asarray(hint.convert("RGB")).astype(float) / 255
            made = (made * (1 - control.scale / 2 * lines)).clip(0, 255).astype(np.uint8)
        return self._begun(r, made) if r.image else made

    def _begun(self, r: c.Request, made):
        """The drawing where the mask is white, the picture that it starts from elsewhere."""
        side = (drawings.SIDE, drawings.SIDE)
        named = [Image.open(io.BytesIO(self.kept(id))) for id in (r.image, r.mask) if id]
        picture, *mask = [np.asarray(image.convert("RGB").resize(side)) for image in named]
        return np.where(mask[0] > 127, made, picture) if mask else (made // 2 + picture // 2)

    def _pixels(self, held: _Run, step: int, what: str, picture: int):
        r = held.request
        x0 = self._drawn(r, picture)
        eps = drawings.noise(r.seed + picture)
        share, alpha, sigma, _ = drawings.level(step + r.steps - start_form.total(r), r.steps)
        if what == "bare":
            return drawings.guess(drawings.drawing("", r.seed), min(1.0, share + 0.3))
        if what == "xt":
            return drawings.noisy(x0, eps, alpha, sigma)
        return drawings.guess(x0, share) if what == "x0" else drawings.noisy(x0, eps, 0.0, 0.5)

    def _say(self, held: _Run, event: c.Event) -> None:
        with held.changed:
            held.events.append(event)
            held.changed.notify_all()

    def _work(self, run: str) -> None:
        held = self.runs[run]
        r = held.request
        guided = 2 if r.guidance.kind == "cfg" and r.guidance.scale != 1 else 1
        evaluations = next((s.evaluations for s in SAMPLERS if s.id == r.sampler), 1)
        self._say(held, c.Queued(run))
        total = start_form.total(r)
        for index in range(total):
            time.sleep(held.pace)
            while "held" in r.prompt and index == 9 and not (held.stop or held.only_first):
                time.sleep(0.02)
            if held.stop:
                return self._say(held, c.Cancelled(run, len(held.levels)))
            if "broken" in r.prompt and index == 3:
                sentence = "The device had no room for this; make the picture smaller."
                return self._say(held, c.Failed(run, sentence))
            count = 1 if held.only_first else r.count
            share, alpha, sigma, logsnr = drawings.level(index + r.steps - total, r.steps)
            held.levels.append(c.Level(1000 * share, share, alpha, sigma, logsnr, index))

            def previews(what: str, step: int = index, count: int = count) -> tuple[bytes, ...]:
                if held.view.preview == "off":
                    return ()
                return tuple(
                    drawings.encode(self._pixels(held, step, what, k), "JPEG") for k in range(count)
                )

            anatomy = held.view.anatomy and guided == 2
            self._say(
                held,
                c.Step(
                    run=run,
                    index=index,
                    total=total,
                    nfe=(index + 1) * evaluations,
                    rows=(index + 1) * evaluations * guided * count,
                    level=held.levels[-1],
                    step_ms=41.0 + index % 3,
                    forward_ms=38.0,
                    left_s=(total - index - 1) * 0.041,
                    xt=previews("xt"),
                    x0=previews("x0"),
                    cond=previews("x0") if anatomy else (),
                    uncond=previews("bare") if anatomy else (),
                    delta=0.31 * share + 0.02 if guided == 2 else None,
                    control=tuple(
                        tuple(0.01 * (k + 1) * (0.2 + share) for k in range(7))
                        if control.active(index, total)
                        else ()
                        for control in r.controls
                    ),
                ),
            )
        self._say(held, c.Decoding(run))
        count = 1 if held.only_first else r.count
        pixels = [self._drawn(r, k) for k in range(count)]
        known = self.known(r.model, r.prompt)
        sentence = f"Nothing like “{r.prompt}” is among these pictures; the nearest are "
        notes = () if known.known else (sentence + f"{KNOWN[0]} and {KNOWN[1]}.",)
        self._say(
            held,
            c.Finished(
                run=run,
                request=r.with_(width=128, height=128),
                pictures=tuple(drawings.encode(p, "PNG") for p in pixels),
                pixels_sha256=tuple(hashlib.sha256(p.tobytes()).hexdigest() for p in pixels),
                xt_sha256=hashlib.sha256(str(r.seed).encode()).hexdigest(),
                nfe=total * evaluations,
                rows=total * evaluations * guided * count,
                seconds=0.042 * total,
                step_ms=tuple(41.0 + i % 3 for i in range(total)),
                steps_recorded=total,
                preview=c.PreviewCard("tiny", 2.1, 41.0, 27.4),
                notes=notes,
                stopped_early=count < r.count,
            ),
        )


def record(folder: Path, prompt: str = "red apple", steps: int = 20) -> Path:
    """A recorded run as the page bundles one, drawn into `folder`."""
    x0, eps = drawings.drawing(prompt, 3), drawings.noise(3)
    listed = []
    for index in range(steps):
        share, alpha, sigma, logsnr = drawings.level(index, steps)
        names = {"xt": f"xt-{index:03}.jpg", "x0": f"x0-{index:03}.jpg"}
        pictures = {"xt": drawings.noisy(x0, eps, alpha, sigma), "x0": drawings.guess(x0, share)}
        for what, name in names.items():
            (folder / name).write_bytes(drawings.encode(pictures[what], "JPEG"))
        step = {"index": index, "t": 1000 * share, "share": share, "logsnr": logsnr, "ms": 41.0}
        listed.append({**step, **names})
    (folder / "picture.png").write_bytes(drawings.encode(x0, "PNG"))
    request = {"model": "icons-unet", "prompt": prompt, "seed": 3, "steps": steps}
    run = {
        "request": request, "steps": listed, "picture": "picture.png", "seconds": 0.84,
        "nfe": steps, "model_title": "Icons UNet",
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(run))
    return folder


def main() -> None:
    """Serve the page on the scripted engine."""
    from studio.settings import Settings
    from studio.ui import shell

    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=7861)
    arguments.add_argument("--pace", type=float, default=0.05)
    given = arguments.parse_args()
    settings = Settings.from_env({}, port=given.port)
    with tempfile.TemporaryDirectory() as folder:
        first_run = record(Path(folder))
        demo = shell.build(ScriptedEngine(given.pace), settings, first_run)
        shell.serve(demo, settings, first_run)


if __name__ == "__main__":
    main()
