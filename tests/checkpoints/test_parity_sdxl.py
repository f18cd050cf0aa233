"""Stable Diffusion XL and its refiner against diffusers' own pipelines."""

import pytest
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from studio.checkpoints.conditions import Asked
from studio.contract import Framing, Guidance, Request
from studio.diffusion.noise import KeyedNoise
from tests.checkpoints.driving import Studio, off
from tests.checkpoints.small_sd import sdxl_folder

STEPS, SCALE, TOLERANCE = 10, 5.0, 1e-4
SCHEDULERS = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}
SIZES = {"square": (64, 64), "tall": (64, 96)}  # width, height


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdxl")
    sdxl_folder(folder / "base")
    sdxl_folder(folder / "kept", zeros=False)
    sdxl_folder(folder / "refiner", refiner=True)
    sdxl_folder(folder / "distilled", time_cond_proj_dim=32)
    return folder


@pytest.fixture(scope="module")
def studio(models):
    return Studio(models)


@pytest.fixture(scope="module")
def pipelines(models):
    made = {}

    def pipeline(id):
        if id not in made:
            refines = id == "refiner"
            kind = StableDiffusionXLImg2ImgPipeline if refines else StableDiffusionXLPipeline
            made[id] = kind.from_pretrained(
                models / id, local_files_only=True, add_watermarker=False
            )
            made[id].set_progress_bar_config(disable=True)
        return made[id]

    return pipeline


def asked(id="base", sampler="euler", size="square", **changes):
    width, height = SIZES[size]
    usual = {
        "prompt": "a red disc",
        "negative_prompt": "blue",
        "seed": 3,
        "steps": STEPS,
        "spacing": "trailing" if sampler == "dpmpp_2m" else "leading",
        "guidance": Guidance(scale=SCALE),
    }
    return Request(id, sampler=sampler, width=width, height=height, **usual | changes)


def theirs(pipelines, request, **more):
    """The pipeline's final state; with a refiner, the second pipeline's after the first's."""
    first = scheduled(pipelines(request.model), request)
    noise = KeyedNoise([request.seed], (4, request.height // 8, request.width // 8)).first()
    words = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt or None,
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance.scale,
        "output_type": "latent",
    }
    size = {"height": request.height, "width": request.width}
    if not request.refiner:
        return first(**words, **size, latents=noise, **more).images
    state = first(**words, **size, latents=noise, denoising_end=request.handover).images
    second = scheduled(pipelines(request.refiner), request)
    return second(
        **words,
        image=state,
        denoising_start=request.handover,
        aesthetic_score=request.framing.score,
        negative_aesthetic_score=request.framing.negative_score,
    ).images


def scheduled(pipeline, request):
    config = pipeline.scheduler.config
    kind = SCHEDULERS[request.sampler]
    settings = {"clip_sample": False, "set_alpha_to_one": False} if kind is DDIMScheduler else {}
    pipeline.scheduler = kind.from_config(config, timestep_spacing=request.spacing, **settings)
    return pipeline


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_final_states_equal_diffusers(studio, pipelines, sampler, size):
    request = asked("base", sampler, size)
    (found,) = studio.states(request)
    assert off(found, theirs(pipelines, request)) < TOLERANCE


def test_ddim_ends_clean_where_the_configuration_does_not_say(studio, pipelines):
    """Euler's configuration has no set_alpha_to_one; DDIM's own default is to end clean."""
    request = asked("base", "ddim")
    (found,) = studio.states(request)
    pipeline = pipelines("base")
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="leading", clip_sample=False
    )
    noise = KeyedNoise([3], (4, 8, 8)).first()
    expected = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=noise,
        height=64,
        width=64,
        output_type="latent",
    ).images
    assert off(found, expected) < TOLERANCE


@pytest.mark.parametrize("id", ["base", "kept"])
def test_without_a_negative_prompt_its_rows_are_zeros_where_the_pipeline_says_so(
    studio, pipelines, id
):
    request = asked(id, negative_prompt="")
    (found,) = studio.states(request)
    assert off(found, theirs(pipelines, request)) < TOLERANCE


def test_sizes_and_crop_are_told(studio, pipelines):
    framing = Framing(original=(512, 384), crop=(16, 8), target=(72, 80))
    request = asked(framing=framing)
    (found,) = studio.states(request)
    more = {
        "original_size": (384, 512),  # (height, width), (top, left)
        "crops_coords_top_left": (8, 16),
        "target_size": (80, 72),
    }
    expected = theirs(pipelines, request, **more)
    assert off(found, expected) < TOLERANCE
    (plain,) = studio.states(asked())
    assert off(plain, expected) > 100 * TOLERANCE


def test_a_network_that_takes_the_scale_is_told_it(studio, pipelines):
    request = asked("distilled", guidance=Guidance("cfg", 6.0))  # as people ask for it
    (found,) = studio.states(request)
    assert off(found, theirs(pipelines, request)) < TOLERANCE
    (other,) = studio.states(asked("distilled", guidance=Guidance("embedded", 2.0)))
    assert off(other, found) > 10 * TOLERANCE


@pytest.mark.parametrize("handover", [0.8, 0.5])
@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_with_a_refiner_final_states_equal_diffusers_two_pipelines(
    studio, pipelines, sampler, handover
):
    framing = Framing(score=7.0, negative_score=1.0)
    request = asked(
        "base", sampler, refiner="refiner", handover=handover, framing=framing, steps=12
    )
    (found,) = studio.states(request)
    assert off(found, theirs(pipelines, request)) < TOLERANCE


def test_in_a_mixed_batch_each_run_still_equals_diffusers(studio, pipelines):
    requests = [
        asked("base", "euler"),
        asked("base", "dpmpp_2m", steps=8, seed=8, prompt="green bar"),
        asked("base", "euler", "tall", steps=5),
        asked("base", "euler", steps=7, refiner="refiner", negative_prompt=""),
        asked("base", "dpmpp_2m", steps=9, refiner="refiner", handover=0.4, seed=5),
    ]
    studio.forwards.clear()
    states = studio.states(*requests, apart=1)
    assert max(studio.forwards) >= 3
    for request, found in zip(requests, states, strict=True):
        assert off(found, theirs(pipelines, request)) < TOLERANCE, request


def test_steps_of_both_stages_are_counted_together(studio):
    run = studio.start(asked(refiner="refiner", steps=6, handover=0.5))
    assert run.total == 6
    from studio.engine import batcher

    seen = []
    while run.ask is not None or run.end is not None:
        if run.ask is None:
            studio.refine(run)
        ((raw, names),), _, _ = batcher.ask([run], 8)
        seen.append(run.take(raw, names, 1.0, 0).index)
    assert seen == list(range(6))
    assert [level.step for level in run.recording.levels] == seen


def test_a_refiner_of_other_states_is_refused(studio, models):
    from studio.engine.handover import check
    from studio.errors import BadRequest

    class Other:
        entry = studio.catalog["refiner"]
        path = studio.residents.get("base", lambda doing, share: None).path

        class latent:
            channels, down, scale, shift = 16, 8, 1.0, 0.0

    with pytest.raises(BadRequest, match="states of another kind"):
        check(studio.residents.get("base", lambda doing, share: None), Other)


def test_a_condition_has_the_parts_that_the_network_takes(studio):
    base = studio.residents.get("base", lambda doing, share: None)
    refiner = studio.residents.get("refiner", lambda doing, share: None)
    shapes = {k: tuple(v.shape) for k, v in base.encode(Asked("a bar")).items()}
    assert shapes == {"context": (12, 192), "pooled": (128,), "told": (6,)}
    assert tuple(refiner.encode(Asked("a bar"))["told"].shape) == (5,)
