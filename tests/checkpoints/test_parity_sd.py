"""Stable Diffusion 1 and 2 against diffusers' own pipeline: same weights, noise and schedule."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
)

from studio.contract import Guidance, Request
from studio.diffusion.noise import KeyedNoise
from tests.checkpoints.driving import Studio, off
from tests.checkpoints.small_sd import sd1_folder, sd2_folder

STEPS, SCALE, TOLERANCE = 10, 6.0, 1e-4
FOLDERS = {
    "sd1": lambda folder: sd1_folder(folder),
    "sd1-v": lambda folder: sd1_folder(folder, "v_prediction"),
    "sd2": lambda folder: sd2_folder(folder),
    "sd2-eps": lambda folder: sd2_folder(folder, "epsilon"),
}
SCHEDULERS = {  # ours, and diffusers' from the checkpoint's own configuration
    "ddim": DDIMScheduler,
    "plms": PNDMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}
SIZES = {"square": (64, 64), "wide": (96, 64)}  # width, height


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sd")
    for name, make in FOLDERS.items():
        make(folder / name)
    return folder


@pytest.fixture(scope="module")
def studio(models):
    return Studio(models)


@pytest.fixture(scope="module")
def pipelines(models):
    made = {}

    def pipeline(id):
        if id not in made:
            made[id] = StableDiffusionPipeline.from_pretrained(
                models / id, local_files_only=True, safety_checker=None
            )
            made[id].set_progress_bar_config(disable=True)
        return made[id]

    return pipeline


def asked(id, sampler="ddim", size="square", **changes):
    width, height = SIZES[size]
    usual = {
        "prompt": "a red disc",
        "negative_prompt": "blue",
        "seed": 3,
        "steps": STEPS,
        "spacing": "sgm_uniform" if sampler == "dpmpp_2m" else "leading",
        "guidance": Guidance(scale=SCALE),
    }
    return Request(id, sampler=sampler, width=width, height=height, **usual | changes)


def theirs(pipeline, request, scheduler, **settings):
    config = pipeline.scheduler.config
    spacing = {"sgm_uniform": "linspace"}.get(request.spacing, request.spacing)  # of DPM-Solver
    if scheduler is DDIMScheduler:  # published configurations say so; PNDM's class drops it
        settings["clip_sample"] = False
    if scheduler is PNDMScheduler:
        settings["skip_prk_steps"] = True
    pipeline.scheduler = scheduler.from_config(config, timestep_spacing=spacing, **settings)
    noise = KeyedNoise([request.seed], (4, request.height // 8, request.width // 8)).first()
    return pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance.scale,
        latents=noise,
        height=request.height,
        width=request.width,
        output_type="latent",
    ).images


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sampler", SCHEDULERS)
@pytest.mark.parametrize("id", FOLDERS)
def test_final_states_equal_diffusers(studio, pipelines, id, sampler, size):
    if sampler == "plms" and id in ("sd1-v", "sd2"):
        pytest.skip("diffusers' PNDM mixes v as it is; the paper's mixes eps (eq. 12)")
    request = asked(id, sampler, size)
    (found,) = studio.states(request)
    assert off(found, theirs(pipelines(id), request, SCHEDULERS[sampler])) < TOLERANCE


@pytest.mark.parametrize("id", ["sd1", "sd2-eps"])
def test_in_a_mixed_batch_each_run_still_equals_diffusers(studio, pipelines, id):
    requests = [
        asked(id, "ddim", count=1),
        asked(id, "euler", steps=8, seed=9, prompt="green bar"),
        asked(id, "dpmpp_2m", steps=5, seed=4, negative_prompt=""),
        asked(id, "plms", steps=4, guidance=Guidance(scale=2.0)),
        asked(id, "ddim", "wide", steps=6),
    ]
    studio.forwards.clear()
    states = studio.states(*requests)
    assert max(studio.forwards) >= 3
    for request, found in zip(requests, states, strict=True):
        expected = theirs(pipelines(id), request, SCHEDULERS[request.sampler])
        assert off(found, expected) < TOLERANCE, request


def test_with_the_same_fresh_noise_a_stochastic_sampler_equals_diffusers(
    studio, pipelines, monkeypatch
):
    from diffusers.schedulers import scheduling_euler_ancestral_discrete as module

    request = asked("sd1", "euler_ancestral")
    drawn = KeyedNoise([request.seed], (4, 8, 8))
    given = iter(range(STEPS))
    monkeypatch.setattr(module, "randn_tensor", lambda *a, **k: drawn(next(given), 0))
    (found,) = studio.states(request)
    expected = theirs(pipelines("sd1"), request, EulerAncestralDiscreteScheduler)
    assert off(found, expected) < TOLERANCE


@pytest.mark.parametrize(
    ("sampler", "spacing"),
    [("ddim", "trailing"), ("dpmpp_2m", "trailing"), ("dpmpp_2m", "sgm_uniform")],
)
@pytest.mark.parametrize("id", ["sd1", "sd2"])
def test_the_librarys_other_spacings_are_met(studio, pipelines, id, sampler, spacing):
    request = asked(id, sampler, spacing=spacing, steps=8)
    (found,) = studio.states(request)
    assert off(found, theirs(pipelines(id), request, SCHEDULERS[sampler])) < TOLERANCE


def test_several_pictures_of_one_run_are_those_of_their_seeds(studio):
    both, second = studio.states(asked("sd1", count=2), asked("sd1", seed=4))
    assert off(both[1:], second) < 1e-5


def test_the_first_recipe_is_the_checkpoints_own_scheduler(studio):
    entry = studio.catalog["sd1"]
    assert (entry.defaults["sampler"], entry.defaults["spacing"]) == ("plms", "leading")
    assert studio.catalog["sd2"].defaults["sampler"] == "ddim"


def test_pictures_are_decoded_as_diffusers_decodes_them(studio, pipelines):
    request = asked("sd2", steps=2)
    (state,) = studio.states(request)
    checkpoint = studio.residents.get("sd2", lambda doing, share: None)
    vae = pipelines("sd2").vae
    with torch.no_grad():
        expected = vae.decode(state / vae.config.scaling_factor, return_dict=False)[0]
    assert off(checkpoint.decode(state), expected) < TOLERANCE
