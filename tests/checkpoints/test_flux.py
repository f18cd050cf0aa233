"""FLUX against diffusers' own pipeline."""

import json
import shutil

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    FluxPipeline,
    UniPCMultistepScheduler,
)

from studio.checkpoints.catalog import scan
from studio.checkpoints.families.flux import packed, unpacked
from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.spacing import levels
from studio.errors import BadRequest
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, SCALE, NEGATIVE = 6, 4.0, "square"
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
SAMPLERS = {  # the studio's and its spacing; diffusers' and its words
    "euler": ("trailing", FlowMatchEulerDiscreteScheduler, {}),
    "heun": ("trailing", FlowMatchHeunDiscreteScheduler, {}),
    "dpmpp_2m": ("trailing", DPMSolverMultistepScheduler, FLOW),
    "unipc": ("exponential", UniPCMultistepScheduler, FLOW),
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    models = tmp_path_factory.mktemp("flux")
    small.flux_folder(models / "dev")
    small.flux_folder(models / "plain", guided=False, use_dynamic_shifting=False)
    for name in ("dev", "plain"):
        (models / name / "studio.json").write_text(json.dumps({"size": 64}))
    return Studio(models)


@pytest.fixture(scope="module")
def pipelines(studio):
    made = {}
    for name in ("dev", "plain"):
        folder = studio.catalog[name].folder
        made[name] = FluxPipeline.from_pretrained(folder, local_files_only=True)
        made[name].set_progress_bar_config(disable=True)
    return made


def recipe(sampler="euler", seed=3, prompt="red disc", model="dev", **more):
    return {
        "model": model, "sampler": sampler, "seed": seed, "prompt": prompt, "steps": STEPS,
        "guidance": Guidance(scale=SCALE), "spacing": SAMPLERS[sampler][0],
    } | more  # fmt: skip


def theirs(pipelines, studio, asked, own=False):
    height, width = asked.get("height", 64), asked.get("width", 64)
    pipeline, (spacing, kind, config) = pipelines[asked["model"]], SAMPLERS[asked["sampler"]]
    checkpoint = studio.checkpoint(asked["model"])
    path = checkpoint.path.sized(height // 8, width // 8)
    if own:
        folder = studio.catalog[asked["model"]].folder / "scheduler"
        pipeline.scheduler = kind.from_pretrained(folder)
    else:
        pipeline.scheduler = visiting(kind, path, STEPS, spacing, **config)
    noise = KeyedNoise([asked["seed"]], (4, height // 8, width // 8)).first()
    noise = path.first(levels(path, STEPS, spacing)[0]) * noise
    guided = {"guidance_scale": asked["guidance"].scale}
    if asked["model"] == "plain":
        guided = {"true_cfg_scale": asked["guidance"].scale, "negative_prompt": NEGATIVE}
    out = pipeline(
        prompt=asked["prompt"],
        num_inference_steps=STEPS,
        height=height,
        width=width,
        latents=pipeline._pack_latents(noise, 1, 4, height // 8, width // 8),
        max_sequence_length=checkpoint.t5.length,
        output_type="latent",
        **guided,
    ).images
    return pipeline._unpack_latents(out, height, width, 8)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_final_state_is_the_library_s(studio, pipelines, sampler):
    asked = recipe(sampler)
    assert_same(studio.alone(**asked), theirs(pipelines, studio, asked))


def test_the_pipeline_s_own_levels_are_the_studio_s_at_every_size(studio, pipelines):
    for width, height in ((64, 64), (96, 48)):
        asked = recipe(width=width, height=height)
        assert_same(studio.alone(**asked), theirs(pipelines, studio, asked, own=True))


def test_without_the_guidance_s_input_two_rows_are_guided(studio, pipelines):
    asked = recipe(model="plain", negative_prompt=NEGATIVE)
    assert studio.run(**asked).names() == ("uncond", "cond")
    assert_same(studio.alone(**asked), theirs(pipelines, studio, asked, own=True))


def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, pipelines):
    """Each with a scale of its own: the guidance is a part of the row."""
    prompts = ("blue bar", "a large green square", "", "cross")
    arrivals = [
        (k, recipe(sampler, 7 + k, prompt, guidance=Guidance(scale=1.5 + 2 * k)))
        for k, (sampler, prompt) in enumerate(zip(SAMPLERS, prompts, strict=True))
    ]
    for state, (_, asked) in zip(studio.together(arrivals), arrivals, strict=True):
        assert_same(state, theirs(pipelines, studio, asked))


def test_the_scale_is_an_input_and_one_row_is_asked(studio):
    run = studio.run(**recipe())
    assert run.names() == ("cond",)
    assert run.ticket.request.guidance == Guidance("embedded", SCALE)
    low, high = (
        studio.alone(**recipe(guidance=Guidance("embedded", scale))) for scale in (1.5, 9.0)
    )
    assert not torch.allclose(low, high)


def test_a_scale_as_an_input_is_refused_where_there_is_none(studio):
    with pytest.raises(BadRequest, match="no guidance as an input"):
        studio.run(**recipe(model="plain", guidance=Guidance("embedded", 3.0)))


def test_packing_is_undone():
    x = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    assert packed(x).shape == (2, 6, 12)
    assert torch.equal(unpacked(packed(x), 2, 3), x)


@pytest.mark.parametrize(
    ("file", "fields", "words"),
    [
        ("transformer/config.json", {"in_channels": 63}, "how large"),
        ("transformer/config.json", {"in_channels": 64}, "do not belong together"),
        ("transformer/config.json", {"patch_size": 2}, "how large"),
        ("studio.json", {"size": 100}, "how large"),
        ("studio.json", {"size": "big"}, "size = big"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(studio, tmp_path, file, fields, words):
    folder = shutil.copytree(studio.catalog["dev"].folder, tmp_path / "odd")
    config = folder / file
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))
    assert words in scan(tmp_path).refused["odd"]
