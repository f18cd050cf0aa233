"""Laws that every sampler in the registry keeps, whatever its method."""

from __future__ import annotations

import pytest
import torch

from studio.diffusion import schedules, twins
from studio.diffusion.drive import answering
from studio.diffusion.path import flow, ve, vp
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import levels

PATHS = {
    "vp": vp(schedules.scaled_linear(), steps_offset=1),
    "zero-snr": vp(schedules.zero_terminal_snr(schedules.scaled_linear())),
    "flow": flow(),
}
RAISES = ("edm",)  # asks at a level with more noise than it was given
FIRST_STEP_MORE = {"plms": 1}


def noise(step, stage=0):
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(100 * step + stage))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_it_asks_once_a_step_at_the_given_levels_and_ends_finite(name, path, walk, network, start):
    places = levels(PATHS[path], 6, "trailing")
    run = SAMPLERS[name].method(start, PATHS[path], places, noise=noise)
    states = walk(run, answering(network, "v"))
    accepted = [ask for ask in walk.asks if ask.stage == 0]
    if name in RAISES:
        assert all(a.level.sigma_k >= p.sigma_k for a, p in zip(accepted, places, strict=False))
    else:
        assert [ask.level for ask in accepted] == list(places[:-1])
    assert [ask.step for ask in accepted] == list(range(6))
    assert torch.isfinite(states[-1]).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_run_of_one_step_ends_at_the_answer(name, walk, network, start):
    path = PATHS["vp"]
    run = SAMPLERS[name].method(start, path, levels(path, 1, "trailing"), noise=noise)
    denoise = answering(network, "v")
    end = walk(run, denoise)[-1]
    torch.testing.assert_close(end, denoise(walk.asks[-1]).x0, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_step_of_no_length_changes_nothing(name, walk, network, start):
    path = PATHS["vp"]
    here = path.level(400.0)
    end = walk(
        SAMPLERS[name].method(start, path, [here, here], noise=noise), answering(network, "v")
    )[-1]
    torch.testing.assert_close(end, start, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_counts_the_evaluations_it_says(name, walk, network, start):
    path = PATHS["vp"]
    walk(
        SAMPLERS[name].method(start, path, levels(path, 20, "leading", final="kept"), noise=noise),
        answering(network, "v"),
    )
    assert len(walk.asks) == 20 * SAMPLERS[name].evaluations + FIRST_STEP_MORE.get(name, 0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_state_keeps_its_dtype(name, walk, network, start):
    path = PATHS["vp"]
    run = SAMPLERS[name].method(start, path, levels(path, 3, "karras"), noise=noise)
    assert {s.dtype for s in walk(run, answering(network, "v"))} == {torch.float32}


@pytest.mark.parametrize("name", [n for n, s in SAMPLERS.items() if not s.stochastic])
def test_a_deterministic_sampler_never_asks_for_noise(name, walk, network, start):
    path = PATHS["vp"]
    run = SAMPLERS[name].method(start, path, levels(path, 5, "trailing"), noise=None)
    assert torch.isfinite(walk(run, answering(network, "v"))[-1]).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_picture_comes_out_the_same_alone_and_in_a_batch(name, walk, network, start):
    path, denoise = PATHS["vp"], answering(network, "v")
    places = levels(path, 8, "karras")
    batch = walk(SAMPLERS[name].method(start, path, places, noise=noise), denoise)[-1]
    alone = SAMPLERS[name].method(
        start[1:], path, places, noise=lambda step, stage=0: noise(step, stage)[1:]
    )
    torch.testing.assert_close(walk(alone, denoise)[-1], batch[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in SAMPLERS if n != "lcm"])  # it measures time itself
def test_the_scaling_of_states_is_a_choice_of_words(name, walk):
    """On levels of equal log-SNR, an exploding and a preserving path make the same picture."""
    twin, wide, narrow = twins.moons().all, ve(80.0), PATHS["vp"]
    places = levels(wide, 9, "karras")
    x = 80.0 * torch.randn(6, 2, generator=torch.Generator().manual_seed(8), dtype=torch.float64)

    def shaken(step, stage=0):
        generator = torch.Generator().manual_seed(100 * step + stage)
        return torch.randn(6, 2, generator=generator, dtype=torch.float64)

    ends = []
    for path, ways in ((wide, places), (narrow, [narrow.at(lv.logsnr) for lv in places])):
        run = SAMPLERS[name].method(ways[0].alpha * x, path, ways, noise=shaken)
        ends.append(walk(run, twin.answer)[-1])
    torch.testing.assert_close(ends[1], ends[0], rtol=1e-7, atol=1e-7)
