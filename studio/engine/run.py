"""One run: its place on the way, its coroutine, and what it says while it goes.

Flags are set by any thread; everything else belongs to the worker. A run knows nothing of other
runs, nor of how its questions are answered.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.adapted import unused
from studio.checkpoints.checkpoint import Checkpoint
from studio.checkpoints.conditions import Condition, Conditions, shapes, stack
from studio.contract import Level, PreviewCard, Step, View
from studio.diffusion import guidance, noise
from studio.diffusion.prediction import to_x0_eps, within
from studio.diffusion.samplers.ask import Answer, Ask
from studio.diffusion.samplers.registry import SAMPLERS, levels_of
from studio.engine import handover
from studio.engine.previews import Painter
from studio.engine.start import Start, steps
from studio.engine.steering import Guides, active
from studio.engine.ticket import Ticket
from studio.engine.wardrobe import NOTHING, Wears
from studio.errors import BadRequest, StudioError
from studio.imaging.encode import jpeg, psnr

# After a preview of a kind, at least this many times its cost goes into denoising.
PACE = {"rgb": 30.0, "tiny": 6.0, "exact": 6.0, "off": 0.0}


class Run:
    """The denoising part of a ticket, from the first noise to the final state."""

    def __init__(
        self,
        ticket: Ticket,
        checkpoint: Checkpoint,
        painter: Painter,
        conditions: Mapping[str, Condition],
        start: Start | None = None,
        steered: Guides = (),
        wears: Wears = NOTHING,
    ) -> None:
        """Draws x_T, or noises what it starts from, and asks the first question; or BadRequest."""
        request = ticket.request
        self.ticket, self.checkpoint, self.painter = ticket, checkpoint, painter
        self.recording, self.start, self.steered = ticket.recording, start, steered
        self.wears, self.said = wears, unused((request.prompt, request.negative_prompt), wears.worn)
        self.norms: tuple[tuple[float, ...], ...] = ()  # RMS of what each control added, per block
        self.conditions = {n: start.extend(c) if start else c for n, c in conditions.items()}
        self.batch = self.live = request.count
        g = request.guidance
        self.guidance = guidance.build(g.kind, g.scale, g.rescale, g.interval)
        self.memory: Any = None  # the guidance's own state
        down, device = checkpoint.latent.down, checkpoint.device
        shape = (checkpoint.latent.channels, request.height // down, request.width // down)
        self.path = checkpoint.path.sized(*shape[1:])
        self.guided = g.channels or checkpoint.latent.guided or checkpoint.latent.channels
        try:
            way = levels_of(SAMPLERS[request.sampler], self.path, request.steps, request.spacing)
        except ValueError as error:
            raise BadRequest(f"These steps cannot be run: {error}.") from None
        way = tuple(steps(way, request.steps, request.strength)) if start else way
        self.total = len(way) - 1
        drawn = noise.KeyedNoise([request.seed + k for k in range(request.count)], shape)
        if start:
            x = start.first(drawn.first(), way[0], self.path, request.strength)
        else:
            x = drawn.first() * self.path.first(way[0])
        self.xt_sha256 = hashlib.sha256(x.numpy().tobytes()).hexdigest()
        self.shape, self.drawn = shape, drawn
        self.before = 0  # steps that an earlier checkpoint made
        mine = handover.before(way, self.path, request.handover) if request.refiner else way
        self.end = mine[-1] if len(mine) < len(way) else None  # where another takes over
        self.cut = len(mine) - 1  # the first step that is the other's
        self.state: Tensor | None = None  # the final one, or the one that is handed over
        self.ask: Ask | None
        self._walk(x.to(device), way)
        self.nfe = self.rows = 0
        self.step_ms: list[float] = []
        self.forward_ms = 0.0  # since the last step
        self.best_ms = float("inf")  # of a forward, this run's share
        self.card = PreviewCard("off", 0.0, 0.0, None)
        self.due = 0.0  # when the next preview may be drawn
        self.began = self.mark = time.perf_counter()
        self._stacked: tuple[tuple, Conditions] | None = None

    def _walk(self, x: Tensor, way: Sequence[Any]) -> None:
        """Begin a walk and ask its first question. Noise is keyed by the step of the whole run."""
        request, device, before = self.ticket.request, self.checkpoint.device, self.before
        sampler = SAMPLERS[request.sampler]
        choices = {"eta": request.eta, "variance": self.checkpoint.variance}
        options = {o: choices[o] for o in sampler.options if o in choices}
        self.coroutine = sampler.method(
            x,
            self.path,
            way,
            noise=lambda step, stage=0: self.drawn(step + before, stage)[: len(x)].to(device),
            **options,
        )
        self.ask = self._asked(next(self.coroutine))

    def _asked(self, ask: Ask) -> Ask:
        """A question as the run puts it: its step counted from the run's first."""
        return replace(ask, step=ask.step + self.before) if self.before else ask

    def refine(
        self, checkpoint: Checkpoint, painter: Painter, conditions: Mapping[str, Condition]
    ) -> None:
        """Go on with another checkpoint from where the first ended. Raises BadRequest."""
        handover.check(self.checkpoint, checkpoint)
        request, end = self.ticket.request, self.end
        self.checkpoint, self.painter, self.conditions = checkpoint, painter, dict(conditions)
        self.path = checkpoint.path.sized(*self.shape[1:])
        way = levels_of(SAMPLERS[request.sampler], self.path, request.steps, request.spacing)
        mine = handover.after(end, way, self.path)
        self.before = len(self.step_ms)
        self.total = self.before + len(mine) - 1
        self.batch, self.memory, self._stacked, self.steered = self.live, None, None, ()
        self.wears = NOTHING
        self.end, x, self.state = None, self.state, None
        self._walk(x.to(checkpoint.device), mine)

    @property
    def signature(self) -> tuple:
        """Runs with equal signatures can share a forward."""
        alone = self.ticket.id if self.ticket.request.alone else None
        copy = id(getattr(self.checkpoint, "base", self.checkpoint))  # two of one id may be loaded
        return (copy, self.shape, shapes(self.conditions["cond"]), alone)

    def names(self) -> tuple[str, ...]:
        """The rows that the question on the table needs, of "uncond" and "cond"."""
        return self.guidance.rows(self.path.share(self.ask.level))

    def guides(self, names: tuple[str, ...]) -> list[Guides]:
        """For each of the question's rows, the controls that steer it."""
        return active(self.steered, names, self.live, self.ask.step, self.total)

    def narrow(self) -> None:
        """Go on with the first picture alone; the sampler's state keeps its shape."""
        if self.live > 1:
            self.live = 1
            self.recording.keep_first()
            self.state = None if self.state is None else self.state[:1].clone()

    def inputs(self, names: tuple[str, ...]) -> tuple[Tensor, list[float], Conditions]:
        """x (R, C, H, W), times (R) and conditions (parts of R) of the question's rows."""
        x = self.ask.x[: self.live]
        key = (names, self.live)
        if self._stacked is None or self._stacked[0] != key:
            parts = [self.conditions[name] for name in names for _ in range(self.live)]
            self._stacked = (key, stack(parts))
        rows = self.live * len(names)
        return x.repeat(len(names), 1, 1, 1), [self.ask.level.t] * rows, self._stacked[1]

    def take(self, raw: Tensor, names: tuple[str, ...], ms: float, others: int) -> Step | None:
        """Answer the question with the network's rows (R, C, H, W); the Step if it made one.

        `ms` is this run's share of the forward, `others` the runs that it was shared with.
        """
        ask, live = self.ask, self.live
        raw = raw.float()
        var = None
        if raw.shape[1] == 2 * self.shape[0]:  # the last row is the conditional one: its variance
            raw, learned = raw.chunk(2, dim=1)
            var = self._padded(learned[-live:])
        parts = dict(zip(names, raw.split(live), strict=True))
        guided, self.memory = self.guidance.combine(parts, self.memory)
        if self.guided < guided.shape[1] and len(parts) > 1:  # the rest is the conditional row's
            guided = torch.cat([guided[:, : self.guided], parts["cond"][:, self.guided :]], 1)
        x = ask.x[:live]
        x0, eps = to_x0_eps(self.checkpoint.prediction, guided, x, ask.level)
        if self.checkpoint.latent.clip:
            x0, eps = within(self.checkpoint.latent.clip, x0, eps, x, ask.level)
        self.nfe += 1
        self.rows += len(raw)
        self.forward_ms += ms
        self.best_ms = min(self.best_ms, ms)
        step = self._accepted(ask, x, x0, parts, others) if ask.stage == 0 else None
        self._send(Answer(ask.x, self._padded(x0), self._padded(eps), var))
        return step

    def _send(self, answer: Answer) -> None:
        try:
            ask = self._asked(self.coroutine.send(answer))
            blended = self.start is not None and ask.stage == 0
            self.ask = replace(ask, x=self.start.blend(ask.x, ask.level)) if blended else ask
            if self.end is not None and ask.stage == 0 and ask.step == self.cut:
                self._stop(self.ask.x)
        except StopIteration as end:
            blended = self.start is not None
            self._stop(self.start.blend(end.value, self.path.clean) if blended else end.value)

    def _stop(self, x: Tensor) -> None:
        """Ask no more: this is the state. Raises StudioError if it holds what is no number."""
        self.ask, self.state = None, x[: self.live]
        if not bool(torch.isfinite(self.state).all()):
            raise StudioError(
                "The numbers ran out of range on the way; lower the guidance scale or take "
                "another sampler."
            )

    def _padded(self, x: Tensor) -> Tensor:
        """Dropped pictures get the first one's answer: nobody looks, and the shapes hold."""
        return x if len(x) == self.batch else x.expand(self.batch, *x.shape[1:])

    def _accepted(self, ask: Ask, x: Tensor, x0: Tensor, parts: dict, others: int) -> Step:
        level = self._level(ask)
        self.recording.add(level, x, x0)
        drawn = self._draw(ask, x, x0, parts)
        now = time.perf_counter()
        self.step_ms.append(1000 * (now - self.mark))
        left = (self.total - ask.step - 1) * (now - self.began) / len(self.step_ms)
        forward, self.forward_ms, self.mark = self.forward_ms, 0.0, now
        return Step(
            run=self.ticket.id,
            index=ask.step,
            total=self.total,
            nfe=self.nfe,
            rows=self.rows,
            level=level,
            step_ms=self.step_ms[-1],
            forward_ms=forward,
            left_s=left,
            shared_with=others,
            control=self.norms,
            **drawn,
        )

    def _level(self, ask: Ask) -> Level:
        at = ask.level
        share = self.path.share(at)
        return Level(at.t, share, at.alpha, at.sigma, at.logsnr, ask.step)

    def _draw(self, ask: Ask, x: Tensor, x0: Tensor, parts: dict) -> dict[str, Any]:
        """The fields of a Step that are pictures; none while the last ones are not paid off."""
        view: View = self.ticket.view
        kind = self.painter.kind(view.preview, self.live, self.best_ms)
        start = time.perf_counter()
        shown = kind != "off" and (start >= self.due or ask.step == self.total - 1)
        draw = lambda part: tuple(map(jpeg, self.painter.x0(part, kind)))  # noqa: E731
        out: dict[str, Any] = {}
        if shown:
            out = {"xt": tuple(map(jpeg, self.painter.state(x))), "x0": draw(x0)}
        if view.anatomy and len(parts) == 2:
            split = {
                name: to_x0_eps(self.checkpoint.prediction, raw, x, ask.level)[0]
                for name, raw in parts.items()
            }
            out["delta"] = float((split["cond"] - split["uncond"]).square().mean().sqrt())
            out |= {name: draw(part) for name, part in split.items()} if shown else {}
        if shown or kind == "off":
            seconds = time.perf_counter() - start
            self.due = start + (1 + PACE[kind]) * seconds
            self.card = PreviewCard(kind, 1000 * seconds, self.best_ms, None)
        return out

    def preview_card(self, picture) -> PreviewCard:
        """The card with the last preview's likeness to the decoded picture (H, W, 3)."""
        if self.card.kind == "off":
            return self.card
        drawn = self.painter.x0(self.state[:1], self.card.kind)[0]
        likeness = psnr(drawn, picture) if drawn.shape == picture.shape else None
        return PreviewCard(self.card.kind, self.card.ms, self.card.step_ms, likeness)
