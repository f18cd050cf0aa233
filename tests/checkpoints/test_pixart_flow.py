"""A PixArt with a BERT and flow matching, as `icons-flow` is, against diffusers' own pipeline."""

import json

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    UniPCMultistepScheduler,
)
from transformers import BertTokenizer

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked
from studio.checkpoints.tokens import Counter
from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.spacing import levels
from studio.engine import offers
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, SCALE, NEGATIVE = 8, 3.0, "square"
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
SAMPLERS = {  # and the spacing: UniPC here keeps nothing of pure noise, the library's does
    "dpmpp_2m": (DPMSolverMultistepScheduler, FLOW, "trailing"),
    "unipc": (UniPCMultistepScheduler, FLOW, "leading"),
    "euler": (DPMSolverMultistepScheduler, FLOW | {"solver_order": 1}, "trailing"),
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    models = tmp_path_factory.mktemp("flow")
    small.flow_folder(models / "flow")
    return Studio(models)


@pytest.fixture(scope="module")
def pipeline(studio):
    folder = studio.catalog["flow"].folder
    made = PixArtAlphaPipeline.from_pretrained(folder, local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


def recipe(sampler, seed=3, prompt="A Red disc", side=64):
    return {
        "model": "flow", "sampler": sampler, "seed": seed, "prompt": prompt, "steps": STEPS,
        "negative_prompt": NEGATIVE, "guidance": Guidance(scale=SCALE), "width": side,
        "height": side, "spacing": SAMPLERS[sampler][2],
    }  # fmt: skip


def theirs(pipeline, studio, asked):
    kind, config, spacing = SAMPLERS[asked["sampler"]]
    path = studio.checkpoint("flow").path
    pipeline.scheduler = visiting(kind, path, STEPS, spacing, **config)
    first = levels(path, STEPS, spacing)[0].sigma
    side = asked["width"] // 8
    return pipeline(
        prompt=asked["prompt"],
        negative_prompt=NEGATIVE,
        guidance_scale=SCALE,
        num_inference_steps=STEPS,
        height=asked["height"],
        width=asked["width"],
        latents=first * KeyedNoise([asked["seed"]], (4, side, side)).first(),
        clean_caption=False,
        use_resolution_binning=False,
        output_type="latent",
    ).images


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_final_state_is_the_library_s(studio, pipeline, sampler):
    asked = recipe(sampler)
    assert_same(studio.alone(**asked), theirs(pipeline, studio, asked))


def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, pipeline):
    prompts = ("blue bar", "a large green square and a red cross", "")
    arrivals = [
        (k, recipe(sampler, 7 + k, prompt))
        for k, (sampler, prompt) in enumerate(zip(SAMPLERS, prompts, strict=True))
    ]
    for state, (_, asked) in zip(studio.together(arrivals), arrivals, strict=True):
        assert_same(state, theirs(pipeline, studio, asked))


def test_its_first_recipe_runs_the_solver_s_own_times(studio, pipeline):
    entry = studio.catalog["flow"]
    suggested = offers.defaults(entry)
    assert (entry.prediction, suggested.sampler, suggested.spacing) == (
        "flow_prediction",
        "dpmpp_2m",
        "trailing",
    )
    scheduler = DPMSolverMultistepScheduler(**FLOW)
    scheduler.set_timesteps(STEPS)
    ours = [level.sigma for level in levels(studio.checkpoint("flow").path, STEPS, "trailing")]
    assert scheduler.sigmas.tolist() == pytest.approx(ours, abs=1.1e-3)  # it starts at 999/1000


def test_a_shift_is_read(tmp_path):
    small.flow_folder(tmp_path / "flow", flow_shift=3.0)
    path = Studio(tmp_path).checkpoint("flow").path
    scheduler = DPMSolverMultistepScheduler(**FLOW, flow_shift=3.0)
    scheduler.set_timesteps(STEPS)
    ours = [level.sigma for level in levels(path, STEPS, "trailing")]
    assert scheduler.sigmas.tolist() == pytest.approx(ours, abs=2e-3)


def test_a_prompt_is_read_as_far_as_the_tokenizer_says_and_the_counters_agree(studio):
    checkpoint, long = studio.checkpoint("flow"), "red disc and blue bar " * 4
    row = checkpoint.encode(Asked(long))
    assert row["context"].shape == (12, 16) and int(row["mask"].sum()) == 12
    known = BertTokenizer.from_pretrained(studio.catalog["flow"].folder / "tokenizer")
    cut = checkpoint.encode(Asked(" ".join(known.tokenize(long)[:10])))
    torch.testing.assert_close(row["context"], cut["context"])
    counted = checkpoint.text.tokens(long)
    assert (counted.count, counted.room, counted.unread) == (20, 10, 10)
    assert Counter(studio.catalog["flow"])(long) == counted
    (note,) = checkpoint.notes(long)
    assert "10 tokens were not read" in note


def test_the_concepts_nearest_to_a_prompt_are_told(studio):
    checkpoint = studio.checkpoint("flow")
    assert checkpoint.nearest("red disc")[0] == ("red disc", pytest.approx(1.0, abs=1e-5))
    assert checkpoint.known("red disc") and len(checkpoint.nearest("bar", 3)) == 3


def test_another_encoder_s_tokenizer_is_refused(tmp_path):
    folder = small.flow_folder(tmp_path / "odd")
    index = json.loads((folder / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "T5Tokenizer"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert "as its tokenizer" in scan(tmp_path).refused["odd"]


def test_text_of_another_width_is_refused(tmp_path):
    folder = small.flow_folder(tmp_path / "odd")
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"caption_channels": 24}))
    assert "24 numbers wide and a text encoder that writes 16" in scan(tmp_path).refused["odd"]
