"""Scripted races for the page's tests: drawn lanes, errors that fall by each method's order.

A prompt with "held" waits at half of the way until it is stopped, lane by lane or as a whole; with
"broken" the race fails, with "full" it is refused, with "slow" a step takes 0.3 s.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from studio import racing as r
from studio.contract import Choice
from studio.errors import Busy, NotFound
from tests.ui import drawings

ORDERS = {"ddim": 1, "heun": 2, "dpmpp_2m": 2, "lms": 4, "unipc": 2}
FORWARD_S = 0.011
GONE = "This run is no longer kept; run its recipe again."


@dataclass
class _Race:
    request: r.RaceRequest
    pace: float
    events: list = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopped: set = field(default_factory=set)
    stop: bool = False
    result: r.RaceResult | None = None


class ScriptedRaces:
    """Implements racing.Races; `samplers` are those that the engine offers."""

    def __init__(self, samplers: tuple[Choice, ...], pace: float) -> None:
        self.samplers = {s.id: s for s in samplers}
        self.pace = pace
        self.races: dict[str, _Race] = {}
        self.forgotten: list[str] = []

    def default(self, base) -> r.RaceRequest:
        names = ("ddim", "heun", "dpmpp_2m", "unipc", "euler_ancestral", "ddpm")
        lanes = tuple(r.Lane(name, guidance=base.guidance) for name in names)
        return r.RaceRequest(base.with_(count=1), self.fair(lanes, 20), "nfe", 20)

    def fair(self, lanes: Sequence[r.Lane], nfe: int) -> tuple[r.Lane, ...]:
        return tuple(
            replace(lane, steps=max(1, nfe // self.samplers[lane.sampler].evaluations))
            for lane in lanes
        )

    def same(self, lanes: Sequence[r.Lane], model: str = "") -> tuple[r.Group, ...]:
        groups = []
        for lane in dict.fromkeys(lanes):
            places = tuple(k for k, other in enumerate(lanes) if other == lane)
            if len(places) > 1:
                groups.append(r.Group(places, self.why(lane, lane)))
        return tuple(groups)

    def why(self, one: r.Lane, other: r.Lane, model: str = "") -> tuple[r.Mark, ...]:
        if one == other:
            return (r.Mark("alias", "The settings are the same in every field."),)
        marks = []
        noisy = [self.samplers[lane.sampler].stochastic for lane in (one, other)]
        if any(noisy):
            marks.append(r.Mark("noise", "One of them adds fresh noise on its way."))
        if one.sampler != other.sampler and not any(noisy):
            marks.append(r.Mark("method", "Two methods walk one and the same flow."))
        if one.spacing != other.spacing:
            marks.append(r.Mark("spacing", "They visit other levels."))
        return tuple(marks)

    def submit(self, request: r.RaceRequest) -> str:
        if "full" in request.base.prompt:
            raise Busy("64 runs are waiting already; try again in a moment.")
        if request.mode == "nfe":
            request = request.with_(lanes=self.fair(request.lanes, request.nfe))
        race = secrets.token_urlsafe(9)
        pace = 0.3 if "slow" in request.base.prompt else self.pace
        self.races[race] = _Race(request, pace)
        threading.Thread(target=self._work, args=(race,), daemon=True).start()
        return race

    def events(self, race: str, timeout: float | None = None):
        held = self._find(race)
        for seen in itertools.count():
            with held.changed:
                while len(held.events) <= seen:
                    held.changed.wait(timeout)
            yield held.events[seen]
            if isinstance(held.events[seen], r.RACE_LAST):
                return

    def stop_lane(self, race: str, lane: int) -> None:
        self._find(race).stopped.add(lane)

    def cancel(self, race: str) -> None:
        if race in self.races:
            self.races[race].stop = True

    def forget(self, race: str) -> None:
        self.cancel(race)
        self.forgotten.append(race)
        self.races.pop(race, None)

    def frame(self, race: str, lane: int, step: int, what: r.What) -> bytes:
        return self._frame(self._find(race).request, lane, step, what, "PNG")

    def result(self, race: str) -> r.RaceResult | None:
        return self._find(race).result

    def converge(self, request: r.RaceRequest, ladder=r.LADDER):
        total = sum(ladder) * len(request.lanes)
        done, points, fits = 0, [], []
        for k, lane in enumerate(request.lanes):
            chosen = self.samplers[lane.sampler]
            mine = []
            for rung in () if chosen.stochastic else ladder:
                time.sleep(self.pace)
                done += rung
                yield r.Measuring("", "climbing the ladder", done, total)
                error = self._error(lane.sampler, rung)
                mine.append(r.Point(k, rung, max(1, rung // chosen.evaluations), error))
                yield mine[-1]
            points += mine
            order = float(ORDERS.get(lane.sampler, 0)) or None
            words = "" if order else "It adds noise, so there is no pathwise limit to come near."
            fits.append(r.Fit(k, order, 0.07 if order else None, 2.0 if order else None, words))
        yield r.Convergence(tuple(points), tuple(fits), 1e-5)

    def _error(self, sampler: str, nfe: int) -> float:
        order = ORDERS.get(sampler)
        if order is None:
            return 0.35 + 0.4 / nfe
        return {1: 1.2, 2: 3.0, 4: 9.0}[order] * nfe**-order

    def _stray(self, request: r.RaceRequest, lane: int) -> int:
        """Lanes that add noise end at another picture."""
        return 0 if request.lanes[lane].sampler in ORDERS else 1 + lane

    def _frame(self, request: r.RaceRequest, lane: int, step: int, what: str, kind: str) -> bytes:
        steps, base = request.lanes[lane].steps, request.base
        return frame(base.prompt, base.seed, self._stray(request, lane), step, steps, what, kind)

    def _picture(self, request: r.RaceRequest, lane: int) -> bytes:
        """The lane's end: as blurred as its error is large."""
        of, stray = request.lanes[lane], self._stray(request, lane)
        nfe = of.steps * self.samplers[of.sampler].evaluations
        radius = 0.0 if stray else min(4.0, 30 * self._error(of.sampler, nfe))
        return ended(request.base.prompt, request.base.seed + stray, radius)

    def _find(self, race: str) -> _Race:
        if race not in self.races:
            raise NotFound(GONE)
        return self.races[race]

    def _say(self, held: _Race, event) -> None:
        with held.changed:
            held.events.append(event)
            held.changed.notify_all()

    def _work(self, race: str) -> None:
        held = self.races[race]
        request = held.request
        lanes, prompt = request.lanes, request.base.prompt
        runs = tuple(f"{race}-{k}" for k in range(len(lanes)))
        self._say(held, r.RaceQueued(race, request, runs))
        self._say(held, r.RaceLoading(race, request.base.model, "reading the weights", 0.5))
        at, ended = [0] * len(lanes), set()
        while len(ended) < len(lanes):
            time.sleep(held.pace)
            if held.stop:
                return self._say(held, r.RaceCancelled(race))
            if "broken" in prompt and min(at) == 2:
                sentence = "The device had no room for this; make the picture smaller."
                return self._say(held, r.RaceFailed(race, sentence))
            for k, lane in enumerate(lanes):
                if k in ended:
                    continue
                if k in held.stopped:
                    ended.add(k)
                    self._say(held, r.LaneStopped(race, k, at[k]))
                elif "held" not in prompt or at[k] < max(1, lane.steps // 2):
                    self._step(held, race, k, at[k])
                    at[k] += 1
                    if at[k] == lane.steps:
                        ended.add(k)
                        self._say(held, self._finished(held, race, k))
        done = [k for k in range(len(lanes)) if k not in held.stopped]
        self._measure(held, race, done)

    def _step(self, held: _Race, race: str, k: int, index: int) -> None:
        request = held.request
        lane = request.lanes[k]
        evaluations = self.samplers[lane.sampler].evaluations
        share, _, _, logsnr = drawings.level(index, lane.steps)
        nfe = (index + 1) * evaluations
        guided = 2 if lane.guidance.scale != 1 else 1
        pictures = {what: self._frame(request, k, index, what, "JPEG") for what in ("xt", "x0")}
        left = (lane.steps - index - 1) * 0.04
        self._say(
            held,
            r.LaneStep(
                race, k, index, lane.steps, nfe, nfe * guided, 1000 * share, share, logsnr, 40.0,
                left, len(request.lanes) - 1, **pictures,
            ),
        )  # fmt: skip

    def _finished(self, held: _Race, race: str, k: int) -> r.LaneFinished:
        lane = held.request.lanes[k]
        nfe = lane.steps * self.samplers[lane.sampler].evaluations
        rows = nfe * (2 if lane.guidance.scale != 1 else 1)
        png = self._picture(held.request, k)
        return r.LaneFinished(
            race, k, png, nfe, rows, nfe * 0.041, self._hash(held.request),
            hashlib.sha256(png).hexdigest(), lane.steps,
        )  # fmt: skip

    def _measure(self, held: _Race, race: str, done: list[int]) -> None:
        request = held.request
        for part in (0, request.reference // 2, request.reference):
            time.sleep(held.pace)
            self._say(held, r.Measuring(race, "walking the reference", part, request.reference))
        drawn = drawings.drawing(request.base.prompt, request.base.seed)
        reference = r.Reference(
            request.lanes[0].guidance, "heun", "trailing", request.reference, 2e-6,
            drawings.encode(drawn, "PNG"),
        )  # fmt: skip
        held.result = r.RaceResult(
            request, self._hash(request), tuple(self._row(held, k) for k in done),
            self.same(request.lanes), (reference,), None, 1.9,
            ("Seconds alone are a lane's evaluations times one forward.",),
        )  # fmt: skip
        self._say(held, r.RaceFinished(race, held.result))

    def _row(self, held: _Race, k: int) -> r.Row:
        lane = held.request.lanes[k]
        chosen = self.samplers[lane.sampler]
        nfe = lane.steps * chosen.evaluations
        error = self._error(lane.sampler, nfe)
        marks = []
        if chosen.stochastic:
            words = "It adds noise, so there is no pathwise limit to come near."
            marks.append(r.Mark("no_limit", words))
        return r.Row(
            lane=k, sampler=lane.sampler, order=ORDERS.get(lane.sampler), steps=lane.steps,
            spacing=lane.spacing, eta=lane.eta, guidance=lane.guidance, nfe=nfe,
            rows=nfe * 2 if lane.guidance.scale != 1 else nfe, seconds=nfe * FORWARD_S,
            seconds_raced=nfe * 0.041, rmse=error, psnr=24 - 9 * error, ssim=1 - error,
            lpips=None, sharpness=0.02 + 0.001 * k, marks=tuple(marks),
        )  # fmt: skip

    def _hash(self, request: r.RaceRequest) -> str:
        return hashlib.sha256(str(request.base.seed).encode()).hexdigest()


drawn = cache(drawings.drawing)


@cache
def frame(prompt: str, seed: int, stray: int, step: int, steps: int, what: str, kind: str) -> bytes:
    """One state of one lane; drawing takes long enough that equal ones are drawn once."""
    x0, eps = drawn(prompt, seed + stray), drawings.noise(seed)
    share, alpha, sigma, _ = drawings.level(step, steps)
    pixels = {
        "xt": lambda: drawings.noisy(x0, eps, alpha, sigma),
        "x0": lambda: drawings.guess(x0, share),
        "eps": lambda: drawings.noisy(x0, eps, 0.0, 0.5),
    }[what]()
    return drawings.encode(pixels, kind)


@cache
def ended(prompt: str, seed: int, radius: float) -> bytes:
    """The picture that a lane ends at, so much blurred."""
    blurred = Image.fromarray(drawn(prompt, seed)).filter(ImageFilter.GaussianBlur(radius))
    return drawings.encode(np.asarray(blurred), "PNG")
