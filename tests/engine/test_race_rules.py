"""What the rules claim of lanes, against walks over a random network in double precision."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from studio.diffusion import schedules
from studio.diffusion.drive import solve
from studio.diffusion.path import vp
from studio.diffusion.prediction import to_x0_eps
from studio.diffusion.samplers.ask import Answer
from studio.diffusion.samplers.registry import SAMPLERS, levels_of
from studio.engine import race_measure, race_reference, race_rules
from studio.engine.race_kept import Kept
from studio.engine.race_rules import canonical, evaluations, fair, same, why
from studio.racing import Lane, RaceRequest
from studio.recipe import Guidance, Request

torch.manual_seed(0)
MIX = torch.randn(6, 6, dtype=torch.float64)
START = torch.randn(1, 6, dtype=torch.float64)
PATHS = {final: vp(schedules.scaled_linear(), final=final) for final in ("zero", "kept")}
KINDS = [(name, 0.0) for name in SAMPLERS] + [("ddim", 0.4), ("ddim", 1.0)]


def end(name: str, eta: float, steps: int, final: str) -> torch.Tensor:
    """Where a lane ends whose network nobody could guess."""

    def denoise(ask):
        raw = torch.tanh(ask.x @ MIX + ask.level.t / 500)
        return Answer(ask.x, *to_x0_eps("v", raw, ask.x, ask.level))

    def noise(step, stage=0):
        made = torch.Generator().manual_seed(100 * step + stage)
        return torch.randn(1, 6, generator=made, dtype=torch.float64)

    path = PATHS[final]
    options = {"eta": eta} if "eta" in SAMPLERS[name].options else {}
    way = levels_of(SAMPLERS[name], path, steps, "trailing")
    return solve(SAMPLERS[name].method(START, path, way, noise=noise, **options), denoise)


@pytest.mark.parametrize("final", PATHS)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 20])
def test_lanes_are_called_the_same_exactly_where_they_end_at_the_same_place(steps, final):
    ends = {kind: end(*kind, steps, final) for kind in KINDS}
    keys = {(name, eta): canonical(Lane(name, steps, eta=eta), final)[0] for name, eta in KINDS}
    wrong = [
        (a, b)
        for a, b in itertools.combinations(KINDS, 2)
        if (keys[a] == keys[b]) != torch.allclose(ends[a], ends[b], rtol=1e-10, atol=1e-10)
    ]
    assert wrong == []


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_where_the_paths_end_is_not_known_only_what_holds_on_both_is_claimed(steps):
    for a, b in itertools.combinations(SAMPLERS, 2):
        lanes = (Lane(a, steps), Lane(b, steps))
        if same(lanes):
            assert same(lanes, "zero") and same(lanes, "kept")


def test_a_learned_variance_is_not_the_posteriors():
    lanes = (Lane("ddpm"), Lane("ddim", eta=1.0))
    assert same(lanes, "zero") and not same(lanes, "zero", learned=True)


def test_eta_says_nothing_to_a_sampler_without_it():
    (group,) = same((Lane("heun"), Lane("heun", eta=0.7)))
    assert group.lanes == (0, 1) and [m.kind for m in group.why] == ["eta"]


def test_guidance_of_scale_1_is_none():
    lanes = (Lane("heun", guidance=Guidance("none")), Lane("heun", guidance=Guidance(scale=1.0)))
    assert [m.kind for m in same(lanes)[0].why] == ["unguided"]
    assert not same((Lane("heun"), Lane("heun", guidance=Guidance(scale=3.0))))


@pytest.mark.parametrize("final", PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("spacing", ["trailing", "linspace", "karras"])
def test_evaluations_are_counted_as_a_walk_counts_them(name, final, spacing):
    lane, path, asked = Lane(name, 7, spacing), PATHS[final], 0

    def denoise(ask):
        nonlocal asked
        asked += 1
        return Answer(ask.x, ask.x * 0.5, ask.x * 0.1)

    way = levels_of(SAMPLERS[name], path, 7, spacing)
    noise = lambda step, stage=0: torch.ones_like(START)  # noqa: E731
    solve(SAMPLERS[name].method(START, path, way, noise=noise), denoise)
    assert evaluations(lane, path) == asked


@pytest.mark.parametrize("nfe", [1, 2, 10, 20, 21])
@pytest.mark.parametrize("name", SAMPLERS)
def test_fair_steps_never_cost_more_and_one_step_more_would(name, nfe):
    (lane,) = fair([Lane(name)], nfe)
    path = PATHS["kept"]
    cost = evaluations(lane, path)
    assert cost <= nfe or lane.steps == 1
    assert evaluations(Lane(name, lane.steps + 1), path) > nfe


def test_the_default_lanes_really_differ():
    lanes = fair([Lane(name) for name in race_rules.DEFAULT], 20)
    assert same(lanes, "zero") == () and same(lanes, "kept") == ()


@pytest.mark.parametrize(
    "one, other, kinds",
    [
        (Lane("ddim"), Lane("euler"), ["alias", "end"]),
        (Lane("ddim"), Lane("dpmpp_2m"), ["order"]),
        (Lane("heun", 10), Lane("dpm2", 10), ["method"]),
        (Lane("ddim"), Lane("euler_ancestral"), ["noise"]),
        (Lane("ddim"), Lane("ddim", spacing="leading"), ["start", "spacing", "last"]),
        (Lane("ddim"), Lane("ddim", 40), ["steps", "last"]),
        (Lane("ddim", spacing="karras"), Lane("ddim", 40, "karras"), ["steps"]),
        (Lane("ddim"), Lane("ddim", guidance=Guidance(scale=2.0)), ["guidance"]),
    ],
)
def test_why_two_lanes_differ(one, other, kinds):
    assert [mark.kind for mark in why(one, other)] == kinds


def test_euler_is_ddim_where_the_schedule_ends_clean_and_stops_cleaner_elsewhere():
    lanes = (Lane("ddim"), Lane("euler"))
    assert [mark.kind for mark in why(*lanes, "zero")] == ["alias", "rounding"]
    (mark,) = why(*lanes, "kept")
    assert mark.kind == "end" and mark.words.startswith("DDIM ends with")


def test_a_row_is_told_that_it_ends_with_noise_where_its_reference_ends_clean():
    def marked(name, final):
        checkpoint = SimpleNamespace(path=PATHS[final])
        made = race_measure._marks(checkpoint, Lane(name, 20, "linspace"), 200, noisy=False)
        return [mark.kind for mark in made]

    assert {name: marked(name, "kept") for name in ("ddim", "plms", "unipc", "heun")} == {
        "ddim": ["end"], "plms": ["end"], "unipc": [], "heun": [],
    }  # fmt: skip
    assert marked("ddim", "zero") == []


@pytest.mark.parametrize("asked, walks", [(200, (50, 25)), (60, (50, 25)), (40, (40, 20))])
def test_a_reference_is_judged_by_half_the_steps_that_it_really_takes(asked, walks):
    checkpoint = SimpleNamespace(path=vp(schedules.scaled_linear(51)))
    request = RaceRequest(Request("m"), (Lane("ddim"), Lane("heun")), reference=asked)
    [(_, _, *probes)] = race_reference.unknown(
        request, checkpoint, lambda request, *_, **more: SimpleNamespace(request=request), Kept()
    )
    assert tuple(ticket.request.steps for ticket in probes) == walks
