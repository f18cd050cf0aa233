"""Classifier-free guidance: which rows are asked, and how they become one."""

from __future__ import annotations

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from studio.diffusion.guidance import GUIDANCES, build

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
