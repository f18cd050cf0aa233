"""What is known of lanes before they run: their evaluations, which are one walk, why others differ.

All of it follows from the methods' formulas; a test walks every claim over a random network. No
torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from studio.diffusion import schedules
from studio.diffusion.path import Path, vp
from studio.diffusion.samplers.ask import Answer
from studio.diffusion.samplers.registry import SAMPLERS, levels_of
from studio.race_recipe import Lane
from studio.racing import Group, Mark
from studio.recipe import Guidance

DEFAULT = ("ddim", "dpmpp_2m", "unipc", "deis", "dpmpp_2s", "euler_ancestral")
SPARES_THE_END = ("trailing", "sgm_uniform")  # spacings whose last level depends on the steps

# Up to that many steps a method never gets beyond another's: "clean" where a run ends without
# noise, "kept" where it ends at the table's first entry.
FIRST_ORDER = {
    "clean": {
        "dpmpp_2m": 2, "unipc": 2, "deis": 2, "heun": 1, "dpm2": 1, "dpmpp_2s": 1, "lms": 1,
        "plms": 1,
    },
    "kept": {"dpmpp_2m": 2, "deis": 2, "unipc": 1, "lms": 1},
}  # fmt: skip
POSTERIOR = {"dpmpp_2m_sde": 2, "dpmpp_3m_sde": 2}  # the same for DDIM at η = 1
SECOND_ORDER_SDE = 4  # steps up to which 3M SDE is 2M SDE


class _Blank:
    """A state without values: what a sampler asks can be counted without a network."""

    __array_ufunc__ = None  # numpy's floats leave the arithmetic to us

    def _itself(self, *others: object, **named: object) -> _Blank:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _itself
    __truediv__ = __rtruediv__ = __pow__ = __neg__ = _itself
    exp = square = sum = sqrt = clamp = _itself

    def dim(self) -> int:
        return 2


def evaluations(lane: Lane, path: Path) -> int:
    """How often the lane asks on this path, exactly. Raises ValueError as `levels_of` does."""
    blank = _Blank()
    way = levels_of(SAMPLERS[lane.sampler], path, lane.steps, lane.spacing)
    run = SAMPLERS[lane.sampler].method(blank, path, way, noise=lambda step, stage: blank)
    asked = 0
    try:
        ask = next(run)
        while True:
            asked += 1
            ask = run.send(Answer(ask.x, blank, blank, blank))
    except StopIteration:
        return asked


def fair(lanes: Sequence[Lane], nfe: int) -> tuple[Lane, ...]:
    """Each lane with the most steps that `nfe` evaluations pay for, whatever the path; 1 at least.

    A method of two evaluations that ends clean saves one of them.
    """
    return tuple(replace(lane, steps=_steps(lane.sampler, nfe)) for lane in lanes)


def _steps(sampler: str, nfe: int) -> int:
    return max(1, (nfe - _extra(sampler)) // SAMPLERS[sampler].evaluations)


@cache
def _extra(sampler: str) -> int:
    """Evaluations beyond its usual ones in every step: PNDM's first step has one more."""
    path = vp(schedules.scaled_linear(), final="kept")
    return evaluations(Lane(sampler, 4), path) - 4 * SAMPLERS[sampler].evaluations


def same(lanes: Sequence[Lane], final: str = "", learned: bool = False) -> tuple[Group, ...]:
    """Groups of two or more lanes that are one walk but for rounding.

    `final` is the path's ("zero" or "kept"; "" for what holds on either), `learned` whether the
    network learned its variance.
    """
    groups: dict[tuple, list[int]] = {}
    marks: dict[tuple, list[Mark]] = {}
    for place, lane in enumerate(lanes):
        key, why = canonical(lane, final, learned)
        groups.setdefault(key, []).append(place)
        marks.setdefault(key, []).extend(m for m in why if m not in marks.get(key, []))
    return tuple(
        Group(tuple(places), tuple(marks[key]) or (Mark("twice", "It is the same lane twice."),))
        for key, places in groups.items()
        if len(places) > 1
    )


def canonical(lane: Lane, final: str = "", learned: bool = False) -> tuple[tuple, tuple[Mark, ...]]:
    """A key that equal walks share, and what was used to find it."""
    sampler, eta, marks = lane.sampler, lane.eta, []
    uses_eta = "eta" in SAMPLERS[sampler].options
    if eta and not uses_eta:
        marks.append(Mark("eta", f"{label(sampler)} has no η; it is ignored."))
    eta = eta if uses_eta else 0.0
    if sampler == "euler":
        sampler = "ddim"
        marks.append(Mark("alias", "Euler on the flow is DDIM at η = 0 under another name."))
    elif sampler == "euler_ancestral":
        sampler, eta = "ddim", 1.0
        marks.append(Mark("alias", "Euler ancestral is DDIM at η = 1 under another name."))
    elif sampler == "ddpm" and not learned:
        sampler, eta = "ddim", 1.0
        marks.append(
            Mark("posterior", "DDPM draws from the posterior, as DDIM at η = 1 does, here with "
                 "the same noise.")
        )  # fmt: skip
    end = final if SAMPLERS[lane.sampler].keeps else "zero"
    sampler, eta, more = _lower(sampler, eta, lane.steps, end, learned)
    guidance, unguided = _guidance(lane.guidance)
    return (sampler, eta, lane.steps, lane.spacing, guidance, end), (*marks, *more, *unguided)


def _lower(
    sampler: str, eta: float, steps: int, final: str, learned: bool
) -> tuple[str, float, tuple[Mark, ...]]:
    """The simplest method that so few steps amount to."""
    first = Mark(
        "first_order", f"In {steps} steps {label(sampler)} never gets beyond its first-order steps."
    )
    if final == "zero" and steps == 1 and sampler in (*FIRST_ORDER["clean"], *POSTERIOR, "ddim"):
        changed = sampler != "ddim" or eta > 0.0
        one = Mark("one_step", "A single step that ends clean ends at the first answer.")
        return "ddim", 0.0, (one,) if changed else ()
    kinds = [{"zero": "clean"}.get(final, final)] if final else ["clean", "kept"]
    if steps <= min(FIRST_ORDER[kind].get(sampler, 0) for kind in kinds):
        return "ddim", 0.0, (first,)
    if steps <= POSTERIOR.get(sampler, 0):
        return "ddim", 1.0, (first,)
    if sampler == "dpmpp_3m_sde" and steps <= SECOND_ORDER_SDE:
        words = f"In {steps} steps 3M SDE never looks back further than 2M SDE."
        return "dpmpp_2m_sde", 0.0, (Mark("first_order", words),)
    return sampler, eta, ()


def _guidance(g: Guidance) -> tuple[tuple, tuple[Mark, ...]]:
    if g.kind == "none":
        return ("none",), ()
    if g.scale == 1.0:
        return ("none",), (Mark("unguided", "Guidance at scale 1 asks the conditional row alone."),)
    return (g.kind, g.scale, g.rescale if g.scale else 0.0, tuple(g.interval)), ()


def why(one: Lane, other: Lane, final: str = "", learned: bool = False) -> tuple[Mark, ...]:
    """What makes two lanes differ, the weightiest first."""
    (a, told_a), (b, told_b) = (canonical(lane, final, learned) for lane in (one, other))
    if a == b:
        rounding = Mark(
            "rounding", "They are one walk; what is left between them is float32's rounding."
        )
        return (*dict.fromkeys((*told_a, *told_b)), rounding)
    if a[:5] == b[:5] and not final:
        words = "They are one walk on every checkpoint whose schedule ends clean."
        return (*dict.fromkeys((*told_a, *told_b)), Mark("end", words))
    marks = []
    if a[4] != b[4]:
        words = "They are guided differently: each walks an ODE of its own, with its own reference."
        marks.append(Mark("guidance", words))
    marks += _methods(one, other, (a[0], a[1]), (b[0], b[1]))
    if one.spacing != other.spacing:
        if "leading" in (one.spacing, other.spacing):
            words = "Leading starts below full noise: with the same x_T that is another start."
            marks.append(Mark("start", words))
        words = "Their spacings visit other levels."
        marks.append(Mark("spacing", words))
    if one.steps != other.steps:
        marks.append(Mark("steps", f"One takes {one.steps} steps, the other {other.steps}."))
    if (one.steps != other.steps or one.spacing != other.spacing) and (
        {one.spacing, other.spacing} & set(SPARES_THE_END)
    ):
        words = "Their last levels differ, and so does the one jump from there to the picture."
        marks.append(Mark("last", words))
    if a[5] != b[5] and final == "kept":
        keeps = label(one.sampler if a[5] == "kept" else other.sampler)
        words = f"{keeps} ends with the last bit of noise that this checkpoint keeps."
        marks.append(Mark("end", words))
    return tuple(marks)


def _methods(one: Lane, other: Lane, a: tuple, b: tuple) -> list[Mark]:
    if a == b:
        return []
    noisy = [stochastic(lane) for lane in (one, other)]
    names = label(one.sampler), label(other.sampler)
    if noisy[0] != noisy[1]:
        shaken, plain = names if noisy[0] else names[::-1]
        words = f"{shaken} adds fresh noise on the way; {plain} follows the flow."
        return [Mark("noise", words)]
    if all(noisy):
        words = "Both add noise, the same in equal steps, in other amounts or to other means."
        return [Mark("noise", words)]
    orders = [SAMPLERS[lane.sampler].order for lane in (one, other)]
    if orders[0] == orders[1]:
        words = f"Same ODE, same start: {names[0]} and {names[1]} err differently."
        return [Mark("method", words)]
    words = (
        f"Same ODE, same start: {names[0]} is of order {orders[0]}, {names[1]} of order "
        f"{orders[1]}, so their errors shrink at other rates."
    )
    return [Mark("order", words)]


def stochastic(lane: Lane) -> bool:
    """Whether the lane adds noise on the way."""
    sampler = SAMPLERS[lane.sampler]
    return sampler.stochastic or ("eta" in sampler.options and lane.eta > 0.0)


def label(sampler: str) -> str:
    """The sampler's name as it is shown."""
    return SAMPLERS[sampler].label
