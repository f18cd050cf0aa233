"""Whatever shares a forward, a run's picture is its own.

Every sampler × guidance in every mix of runs that join and leave at different steps, against the
same run alone. The checkpoint's rows never mix, so that any difference is the engine's doing.
"""

import itertools

import pytest
import torch

from studio.checkpoints.conditions import Asked, join, stack
from studio.contract import Guidance
from studio.diffusion.drive import solve
from studio.diffusion.prediction import to_x0_eps
from studio.diffusion.samplers.ask import Answer
from studio.diffusion.samplers.invert import edict, edict_inverse
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import SPACINGS, levels
from studio.engine import batcher
from tests.engine.closed import Closed, start

GUIDANCES = {
    "none": Guidance("none"),
    "unguided": Guidance(scale=1.0),
    "negative only": Guidance(scale=0.0),
    "guided": Guidance(scale=4.0),
    "rescaled": Guidance(scale=4.0, rescale=0.7),
    "interval": Guidance(scale=4.0, interval=(0.3, 0.8)),
}
KINDS = {  # checkpoints that answer differently: path, prediction, variance
    "eps": ("vp", "eps", "fixed_small"),
    "v": ("vp", "v", "fixed_small"),
    "x0": ("vp", "x0", "fixed_small"),
    "flow": ("flow", "u", "fixed_small"),
    "learned variance": ("vp", "eps", "learned_range"),
}


def drive(checkpoint, arrivals, rows=32):
    """Final states of runs that arrive at given turns, as [(turn, fields of the request)]."""
    waiting, going, states = dict(enumerate(arrivals)), {}, {}
    for turn in itertools.count():
        for k in [k for k, (when, _) in waiting.items() if when <= turn]:
            going[k] = start(checkpoint, **waiting.pop(k)[1])
        if not waiting and not going:
            return [states[k] for k in range(len(arrivals))]
        if not going:
            continue
        group = batcher.choose(list(going.values()), lambda run: rows)
        answers, _, _ = batcher.ask(group, rows)
        for run, (raw, names) in zip(group, answers, strict=True):
            run.ticket.served += len(raw)
            run.take(raw, names, 1.0, len(group) - 1)
        for k in [k for k, run in going.items() if run.ask is None]:
            states[k] = going.pop(k).state


def alone(checkpoint, recipe):
    return drive(checkpoint, [(0, recipe)])[0]


def check(checkpoint, arrivals, rows=32):
    mixed = drive(checkpoint, arrivals, rows)
    for (_, recipe), state in zip(arrivals, mixed, strict=True):
        assert torch.equal(state, alone(checkpoint, recipe)), recipe


@pytest.mark.parametrize("guidance", GUIDANCES)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_among_others_is_the_run_alone(kind, sampler, guidance):
    others = [name for name in SAMPLERS if name != sampler]
    recipe = {"sampler": sampler, "guidance": GUIDANCES[guidance], "steps": 7, "seed": 5}
    arrivals = [
        (0, {"sampler": others[0], "steps": 3, "seed": 1, "count": 2, "prompt": "bb"}),
        (1, recipe),
        (2, {"sampler": others[1], "steps": 9, "seed": 2, "guidance": GUIDANCES["none"]}),
        (4, recipe | {"seed": 9, "prompt": "ccc", "negative_prompt": "d"}),
    ]
    check(Closed(*KINDS[kind]), arrivals)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_runs_of_different_spacing_share_forwards(spacing):
    arrivals = [(0, {"spacing": spacing, "steps": 6}), (1, {"spacing": "trailing", "steps": 8})]
    check(Closed(), arrivals)


def test_all_samplers_and_guidances_at_once_give_what_each_gives_alone():
    mix = itertools.product(SAMPLERS, GUIDANCES.values())
    arrivals = [
        (k % 5, {"sampler": sampler, "guidance": guidance, "steps": 4 + k % 3, "seed": k})
        for k, (sampler, guidance) in enumerate(mix)
    ]
    check(Closed(), arrivals, rows=16)


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_splitting_a_run_over_several_forwards_changes_nothing(rows):
    checkpoint = Closed()
    recipe = {"count": 4, "steps": 4, "sampler": "heun"}
    whole = alone(checkpoint, recipe)
    assert torch.equal(drive(checkpoint, [(0, recipe)], rows)[0], whole)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_picture_k_of_a_batch_is_the_picture_of_seed_plus_k(sampler):
    checkpoint = Closed()
    batch = alone(checkpoint, {"sampler": sampler, "count": 3, "seed": 20, "eta": 0.5})
    for k in range(3):
        single = alone(checkpoint, {"sampler": sampler, "seed": 20 + k, "eta": 0.5})
        assert torch.equal(batch[k], single[0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_finishing_early_leaves_the_first_picture_as_it_was(sampler):
    checkpoint = Closed()
    recipe = {"sampler": sampler, "count": 3, "steps": 6}
    run = start(checkpoint, **recipe)
    while run.ask is not None:
        if run.nfe == 3:
            run.narrow()
        ((raw, names),), _, _ = batcher.ask([run], 32)
        run.take(raw, names, 1.0, 0)
    assert torch.equal(run.state, alone(checkpoint, recipe)[:1])


def test_runs_that_can_share_a_forward_do():
    checkpoint = Closed()
    drive(checkpoint, [(0, {"steps": 4}), (0, {"steps": 4, "seed": 7, "prompt": "zz"})])
    assert checkpoint.sizes == [4] * 4


def test_outside_the_guidance_interval_one_row_is_asked():
    checkpoint = Closed()
    drive(checkpoint, [(0, {"steps": 4, "guidance": GUIDANCES["interval"]})])
    assert checkpoint.sizes == [1, 2, 2, 1]


def test_a_run_that_asks_for_forwards_of_its_own_gets_them():
    checkpoint = Closed()
    drive(checkpoint, [(0, {"steps": 3, "alone": True}), (0, {"steps": 3})])
    assert checkpoint.sizes == [2] * 6


def test_the_least_served_run_goes_first():
    checkpoint = Closed()
    first, second = start(checkpoint, alone=True), start(checkpoint, alone=True, seed=1)
    first.ticket.served = 2.0
    assert batcher.choose([first, second], lambda run: 32) == [second]


@pytest.mark.parametrize("kind", ["eps", "v", "flow"])
def test_an_invertible_pair_is_undone_exactly_in_any_company(kind):
    """EDICT's two states in float64, each question answered in a forward with others' rows."""
    checkpoint = Closed(*KINDS[kind])
    way = levels(checkpoint.path, 8, "trailing")[1:]  # at the first level a flow has no data
    noise = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(3)).double()
    company = [start(checkpoint, seed=seed, count=2) for seed in (1, 2)]

    def denoise(others):
        rows = [run.inputs(run.names()) for run in others]

        def answer(ask):
            x = torch.cat([ask.x.float(), *(x for x, _, _ in rows)])
            times = [ask.level.t, *(t for _, ts, _ in rows for t in ts)]
            conditions = join([stack([checkpoint.encode(Asked("a"))]), *(c for _, _, c in rows)])
            raw = checkpoint.predict(x, times, conditions)[:1].double()
            return Answer(ask.x, *to_x0_eps(checkpoint.prediction, raw, ask.x, ask.level))

        return answer

    pair = solve(edict(noise, checkpoint.path, way[:-1]), denoise(company))
    for state, expected in zip(
        pair, solve(edict(noise, checkpoint.path, way[:-1]), denoise([])), strict=True
    ):
        assert torch.equal(state, expected)
    back = edict_inverse(pair[0], checkpoint.path, way[:-1][::-1], y=pair[1])
    for state in solve(back, denoise(company)):
        assert torch.allclose(state, noise, rtol=0, atol=1e-9)
