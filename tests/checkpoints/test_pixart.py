"""PixArt-α and -Σ against diffusers' own pipelines."""

import json

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
)

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked
from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, SCALE, NEGATIVE = 8, 3.0, "square"
LINEAR = {"beta_start": 1e-4, "beta_end": 0.02}
SAMPLERS = {
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}),
    "ddim": (DDIMScheduler, {"clip_sample": False, "timestep_spacing": "trailing"}),
    "euler": (EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
}
PIPELINES = {
    "alpha": PixArtAlphaPipeline,
    "sigma": PixArtSigmaPipeline,
    "large": PixArtAlphaPipeline,
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    models = tmp_path_factory.mktemp("pixart")
    small.pixart_folder(models / "alpha")
    small.pixart_folder(models / "sigma", "Sigma")
    small.pixart_folder(models / "large", "Alpha", size=128)
    return Studio(models)


@pytest.fixture(scope="module")
def pipelines(studio):
    made = {}
    for name, kind in PIPELINES.items():
        folder = studio.catalog[name].folder
        made[name] = kind.from_pretrained(folder, local_files_only=True)
        made[name].set_progress_bar_config(disable=True)
    return made


def recipe(model, sampler, seed=3, prompt="A Red disc", width=64, height=64):
    return {
        "model": model, "sampler": sampler, "seed": seed, "prompt": prompt, "steps": STEPS,
        "negative_prompt": NEGATIVE, "guidance": Guidance(scale=SCALE), "width": width,
        "height": height,
    }  # fmt: skip


def theirs(pipelines, studio, asked):
    kind, config = SAMPLERS[asked["sampler"]]
    pipeline, path = pipelines[asked["model"]], studio.checkpoint(asked["model"]).path
    pipeline.scheduler = visiting(kind, path, STEPS, "trailing", **LINEAR, **config)
    return pipeline(
        prompt=asked["prompt"],
        negative_prompt=NEGATIVE,
        guidance_scale=SCALE,
        num_inference_steps=STEPS,
        height=asked["height"],
        width=asked["width"],
        latents=KeyedNoise([asked["seed"]], (4, asked["height"] // 8, asked["width"] // 8)).first(),
        clean_caption=False,
        use_resolution_binning=False,
        output_type="latent",
    ).images


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("model", PIPELINES)
def test_the_final_state_is_the_library_s(studio, pipelines, model, sampler):
    asked = recipe(model, sampler)
    assert_same(studio.alone(**asked), theirs(pipelines, studio, asked))


def test_a_wide_picture_is_the_library_s(studio, pipelines):
    for model in ("sigma", "large"):
        asked = recipe(model, "dpmpp_2m", width=96, height=48)
        assert_same(studio.alone(**asked), theirs(pipelines, studio, asked))


@pytest.mark.parametrize("model", PIPELINES)
def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, pipelines, model):
    prompts = ("blue bar", "a large green square and a red cross", "")
    arrivals = [
        (k, recipe(model, sampler, 7 + k, prompt))
        for k, (sampler, prompt) in enumerate(zip(SAMPLERS, prompts, strict=True))
    ]
    for state, (_, asked) in zip(studio.together(arrivals), arrivals, strict=True):
        assert_same(state, theirs(pipelines, studio, asked))


def test_what_lies_behind_the_mask_counts_for_nothing(studio):
    checkpoint = studio.checkpoint("alpha")
    row = checkpoint.encode(Asked("red disc"))
    assert row["context"].shape == (120, 16) and int(row["mask"].sum()) == 3
    other = row["context"].clone()
    other[3:] = 9.0
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = row["mask"][None]
    one, two = (
        checkpoint.predict(x, [500.0], {"context": context[None], "mask": mask})
        for context in (row["context"], other)
    )
    torch.testing.assert_close(one, two)


def test_a_learned_variance_is_known(studio):
    assert studio.checkpoint("sigma").variance == "learned_range"


def test_a_prompt_that_is_too_long_gets_a_note(studio):
    (note,) = studio.checkpoint("alpha").notes("red " * 150)
    assert "31 tokens were not read" in note
    assert studio.checkpoint("sigma").notes("red " * 150) == ()


@pytest.mark.parametrize(
    ("part", "fields", "words"),
    [
        ("transformer", {"caption_channels": 4096}, "do not belong together"),
        ("transformer", {"in_channels": 8}, "autoencoder of 4"),
        ("transformer", {"sample_size": 0}, "sample_size = 0"),
        ("transformer", {"patch_size": "2"}, "patch_size = 2"),
        ("vae", {"block_out_channels": None}, "how large"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path, part, fields, words):
    folder = small.pixart_folder(tmp_path / "odd")
    config = folder / part / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))
    assert words in scan(tmp_path).refused["odd"]


def test_a_tokenizer_without_a_vocabulary_is_refused(tmp_path):
    folder = small.pixart_folder(tmp_path / "odd")
    (folder / "tokenizer" / "tokenizer.json").unlink()
    assert "without a vocabulary" in scan(tmp_path).refused["odd"]
