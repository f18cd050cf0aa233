"""Classifier-free guidance: which rows are asked, and how they become one."""

from __future__ import annotations

import pytest
import torch
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from studio.diffusion import schedules, twins
from studio.diffusion.guidance import GUIDANCES, Projected, build, classified, guided
from studio.diffusion.path import vp
from studio.diffusion.samplers.ask import Ask

RAW = {
    name: torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(i))
    for i, name in enumerate(("uncond", "cond"))
}


def test_the_formula():
    out, _ = build("cfg", 7.5).combine(RAW)
    torch.testing.assert_close(out, RAW["uncond"] + 7.5 * (RAW["cond"] - RAW["uncond"]))


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_rescale_is_the_library_s(share):
    out, _ = build("cfg", 7.5, share).combine(RAW)
    plain, _ = build("cfg", 7.5).combine(RAW)
    torch.testing.assert_close(out, rescale_noise_cfg(plain, RAW["cond"], share))


def test_a_full_rescale_has_the_conditional_spread():
    out, _ = build("cfg", 9.0, 1.0).combine(RAW)
    torch.testing.assert_close(out.std((1, 2, 3)), RAW["cond"].std((1, 2, 3)))


@pytest.mark.parametrize(
    ("scale", "rows"), [(1.0, ("cond",)), (0.0, ("uncond",)), (5.0, ("uncond", "cond"))]
)
def test_a_row_without_weight_is_not_asked(scale, rows):
    assert build("cfg", scale).rows(0.5) == rows


def test_outside_the_interval_the_condition_is_asked_alone():
    guidance = build("cfg", 5.0, interval=(0.2, 0.6))
    asked = [guidance.rows(share) for share in (0.1, 0.2, 0.4, 0.6, 0.7)]
    assert [len(rows) for rows in asked] == [1, 2, 2, 2, 1]
    assert asked[0] == ("cond",)


@pytest.mark.parametrize("kind", GUIDANCES)
def test_one_row_is_passed_on_untouched(kind):
    out, _ = build(kind, 1.0, 0.7).combine({"cond": RAW["cond"]})
    assert out is RAW["cond"]


def test_a_picture_is_guided_alike_in_any_batch():
    guidance = build("cfg", 6.0, 0.5)
    together, _ = guidance.combine(RAW)
    alone, _ = guidance.combine({k: v[2:3] for k, v in RAW.items()})
    torch.testing.assert_close(together[2:3], alone)


def test_an_unknown_guidance_is_refused():
    with pytest.raises(ValueError, match="magic"):
        build("magic")


@pytest.mark.parametrize("scale", [0.0, 3.0, 9.0])
@pytest.mark.parametrize(("momentum", "radius", "parallel"), [(0, 0, 0), (-0.5, 5, 0), (0.3, 2, 1)])
def test_projected_guidance_is_the_library_s_over_three_steps(scale, momentum, radius, parallel):
    ours = Projected(scale, momentum=momentum, radius=radius, parallel=parallel)
    buffer, state = MomentumBuffer(momentum), None
    for step in range(3):
        raw = {name: value.roll(step, 0) + step for name, value in RAW.items()}
        out, state = ours.combine(raw, state)
        theirs = normalized_guidance(
            raw["cond"], raw["uncond"], scale - 1.0, buffer, parallel, radius, True
        )
        torch.testing.assert_close(out, theirs, rtol=1e-4, atol=1e-5)


def test_projected_guidance_without_its_parts_is_classifier_free():
    out, _ = Projected(4.0, momentum=0.0, radius=0.0, parallel=1.0).combine(RAW)
    torch.testing.assert_close(out, build("cfg", 4.0).combine(RAW)[0], rtol=1e-4, atol=1e-5)


def test_projected_guidance_moves_across_the_picture():
    out, _ = Projected(6.0, momentum=0.0).combine(RAW)
    along = ((out - RAW["cond"]) * RAW["cond"]).sum((1, 2, 3))
    torch.testing.assert_close(along, torch.zeros(4), rtol=0, atol=1e-2)


def test_autoguidance_leads_away_from_the_weaker_model():
    guidance = build("auto", 2.0)
    assert guidance.rows(0.5) == ("weak", "cond")
    out, _ = guidance.combine({"weak": RAW["uncond"], "cond": RAW["cond"]})
    torch.testing.assert_close(out, 2 * RAW["cond"] - RAW["uncond"])


@pytest.mark.parametrize("kind", ["eps", "v", "x0"])
@pytest.mark.parametrize("name", ["cfg", "apg"])
def test_a_guided_answer_adds_up_to_the_state(kind, name):
    level = vp(schedules.linear()).level(400)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(9))
    x0, eps, _ = guided(build(name, 4.0), kind, RAW, x, level)
    torch.testing.assert_close(level.alpha * x0 + level.sigma * eps, x, rtol=1e-4, atol=1e-4)


def test_linear_guidance_means_the_same_in_raw_and_in_x0():
    level = vp(schedules.linear()).level(400)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(9))
    in_raw = guided(build("cfg", 4.0), "v", RAW, x, level)
    in_x0 = guided(Projected(4.0, momentum=0.0, radius=0.0, parallel=1.0), "v", RAW, x, level)
    torch.testing.assert_close(in_raw[0], in_x0[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("t", [100, 600])
def test_an_exact_classifier_turns_the_whole_into_the_class(t):
    """∇ln p(y|x) = ∇ln p(x|y) - ∇ln p(x): at scale 1 the guided answer is the class's own."""
    twin, level = twins.grid(), vp(schedules.linear()).level(t)
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ask = Ask(x, level, 0)
    whole, part = twin.all.answer(ask), twin.only(1).answer(ask)
    x0, eps = classified(whole.x0, whole.eps, level, twin.class_gradient(x, level, 1))
    torch.testing.assert_close(x0, part.x0)
    torch.testing.assert_close(eps, part.eps)


def test_a_classifier_s_gradient_is_that_of_its_log_probability():
    twin, level = twins.moons(), vp(schedules.linear()).level(250)
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_()
    (slope,) = torch.autograd.grad(twin.class_log_probability(x, level)[:, 0].sum(), x)
    torch.testing.assert_close(twin.class_gradient(x.detach(), level, 0), slope)


def test_classifier_free_guidance_is_classifier_guidance_on_the_exact_twin():
    """uncond + s(cond - uncond) = the whole's answer pushed by s times the class's gradient."""
    twin, level = twins.ring(), vp(schedules.linear()).level(300)
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ask = Ask(x, level, 0)
    whole, part = twin.all.answer(ask), twin.only(2).answer(ask)
    raw, _ = build("cfg", 3.5).combine({"uncond": whole.eps, "cond": part.eps})
    gradient = twin.class_gradient(x, level, 2)
    torch.testing.assert_close(classified(whole.x0, whole.eps, level, gradient, 3.5)[1], raw)
