import pytest

from studio.diffusion import schedules
from studio.diffusion.path import vp
from studio.diffusion.spacing import levels
from studio.engine.handover import after, before

PATH = vp(schedules.scaled_linear(), steps_offset=1)


@pytest.mark.parametrize("steps", [5, 10, 25, 30])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace", "karras"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.95])
def test_both_parts_make_the_whole_way(share, spacing, steps):
    way = levels(PATH, steps, spacing)
    first = before(way, PATH, share)
    second = after(first[-1], way, PATH) if len(first) < len(way) else [first[-1]]
    assert (*first, *second[1:]) == way


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_the_cut_is_where_diffusers_cuts(share):
    """Its base runs the timesteps ≥ round(1000 - share·1000), its refiner those below."""
    way = levels(PATH, 20, "leading")
    cutoff = round(1000 - share * 1000)
    assert len(before(way, PATH, share)) - 1 == sum(level.t >= cutoff for level in way[:-1])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_first_step_is_the_models_own_and_all_may_be(share):
    way = levels(PATH, 8)
    assert len(before(way, PATH, share)) - 1 == (8 if share == 1.0 else 1)


def test_on_another_schedule_it_goes_on_at_the_same_noise():
    other = vp(schedules.cosine())
    way = levels(PATH, 10)
    end = before(way, PATH, 0.6)[-1]
    second = after(end, levels(other, 10), other)
    assert second[0].logsnr == pytest.approx(end.logsnr)
    noise = [level.logsnr for level in second]
    assert noise == sorted(noise) and second[-1].clean
