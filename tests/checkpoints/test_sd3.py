"""Stable Diffusion 3 against diffusers' own pipeline."""

import json
import shutil

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    StableDiffusion3Pipeline,
    UniPCMultistepScheduler,
)

from studio.checkpoints.catalog import scan
from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.spacing import levels
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, SCALE, NEGATIVE = 6, 4.0, "square"
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
SAMPLERS = {  # the studio's and its spacing; diffusers' and its words
    "euler": ("linspace", FlowMatchEulerDiscreteScheduler, {}),
    "heun": ("trailing", FlowMatchHeunDiscreteScheduler, {}),
    "dpmpp_2m": ("trailing", DPMSolverMultistepScheduler, FLOW),
    "unipc": ("exponential", UniPCMultistepScheduler, FLOW),  # theirs has no start at σ = 1
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    models = tmp_path_factory.mktemp("sd3")
    small.sd3_folder(models / "sd3")
    small.sd3_folder(models / "grown", use_dynamic_shifting=True)
    folder = small.sd3_folder(models / "short", with_t5=False)
    named = json.loads((folder / "model_index.json").read_text())
    index = named | {"text_encoder_3": ["transformers", "T5EncoderModel"]}
    (folder / "model_index.json").write_text(json.dumps(index))  # named, and not downloaded
    return Studio(models)


@pytest.fixture(scope="module")
def pipelines(studio):
    made = {}
    for name in ("sd3", "grown", "short"):
        without = {"text_encoder_3": None, "tokenizer_3": None} if name == "short" else {}
        folder = studio.catalog[name].folder
        made[name] = StableDiffusion3Pipeline.from_pretrained(
            folder, local_files_only=True, **without
        )
        made[name].set_progress_bar_config(disable=True)
    return made


def recipe(sampler="euler", seed=3, prompt="red disc", model="sd3", **more):
    return {
        "model": model, "sampler": sampler, "seed": seed, "prompt": prompt, "steps": STEPS,
        "negative_prompt": NEGATIVE, "guidance": Guidance(scale=SCALE),
        "spacing": SAMPLERS[sampler][0],
    } | more  # fmt: skip


def theirs(pipelines, studio, asked, scheduler=None):
    height, width = asked.get("height", 64), asked.get("width", 64)
    pipeline, (spacing, kind, config) = pipelines[asked["model"]], SAMPLERS[asked["sampler"]]
    path = studio.checkpoint(asked["model"]).path.sized(height // 8, width // 8)
    noise = KeyedNoise([asked["seed"]], (16, height // 8, width // 8)).first()
    pipeline.scheduler = scheduler or visiting(kind, path, STEPS, spacing, **config)
    return pipeline(
        prompt=asked["prompt"],
        negative_prompt=NEGATIVE,
        guidance_scale=SCALE,
        num_inference_steps=STEPS,
        height=height,
        width=width,
        latents=path.first(levels(path, STEPS, spacing)[0]) * noise,
        output_type="latent",
    ).images


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_final_state_is_the_library_s(studio, pipelines, sampler):
    asked = recipe(sampler)
    assert_same(studio.alone(**asked), theirs(pipelines, studio, asked))


def test_its_own_scheduler_s_levels_are_the_studio_s_linspace(studio, pipelines):
    own = FlowMatchEulerDiscreteScheduler.from_pretrained(
        studio.catalog["sd3"].folder / "scheduler"
    )
    asked = recipe()
    assert own.config.shift == 3.0
    assert_same(studio.alone(**asked), theirs(pipelines, studio, asked, own))


def test_a_shift_that_grows_is_the_pipeline_s_own_at_every_size(studio, pipelines):
    folder = studio.catalog["grown"].folder / "scheduler"
    for width, height in ((64, 64), (96, 48)):
        asked = recipe(model="grown", width=width, height=height)
        own = FlowMatchEulerDiscreteScheduler.from_pretrained(folder, max_shift=1.15)
        assert_same(studio.alone(**asked), theirs(pipelines, studio, asked, own))


def test_without_t5_its_place_holds_zeros(studio, pipelines):
    asked = recipe(model="short")
    assert studio.catalog["short"].options["t5"] is False
    assert_same(studio.alone(**asked), theirs(pipelines, studio, asked))
    assert "without T5" in studio.checkpoint("short").notes("a disc")[-1]


def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, pipelines):
    prompts = ("blue bar", "a large green square", "", "cross")
    arrivals = [
        (k, recipe(sampler, 7 + k, prompt))
        for k, (sampler, prompt) in enumerate(zip(SAMPLERS, prompts, strict=True))
    ]
    for state, (_, asked) in zip(studio.together(arrivals), arrivals, strict=True):
        assert_same(state, theirs(pipelines, studio, asked))


def test_states_are_shifted_and_scaled_as_the_vae_says(studio):
    checkpoint = studio.checkpoint("sd3")
    latent = checkpoint.latent
    assert (latent.channels, latent.scale, latent.shift) == (16, 1.5305, 0.0609)
    kind = AutoencoderKL.from_pretrained(studio.catalog["sd3"].folder / "vae")
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        mean = kind.encode(pictures).latent_dist.mean
        again = kind.decode(mean).sample
    torch.testing.assert_close(
        checkpoint.embed(pictures), (mean - 0.0609) * 1.5305, rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        checkpoint.decode((mean - 0.0609) * 1.5305), again, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("part", "fields", "words"),
    [
        ("transformer", {"pooled_projection_dim": 2048}, "do not belong together"),
        ("transformer", {"joint_attention_dim": None}, "joint_attention_dim"),
        ("transformer", {"in_channels": 4}, "autoencoder of 16"),
        ("scheduler", {"shift": None}, "cannot be run|does not load"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(studio, tmp_path, part, fields, words):
    import re

    folder = shutil.copytree(studio.catalog["sd3"].folder, tmp_path / "odd")
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    config = folder / part / name
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))
    refused = scan(tmp_path).refused.get("odd")
    if refused is None:
        with pytest.raises(Exception, match=words) as error:
            Studio(tmp_path).checkpoint("odd")
        refused = str(error.value)
    assert re.search(words, refused)
