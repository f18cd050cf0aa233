"""`icons-dit` and `icons-flow`: the studio draws what plain diffusers draws."""

import pytest
import torch
from diffusers import DDIMScheduler, DiTPipeline, DPMSolverMultistepScheduler, PixArtAlphaPipeline

from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.engine import offers
from studio.settings import Settings
from studio.training import flow, unet
from tests.checkpoints.parity import Studio, assert_same, visiting

pytestmark = pytest.mark.integration
MODELS = Settings().models
STEPS, SCALE = 8, 3.5


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(MODELS)


def opened(kind, name: str):
    pipe = kind.from_pretrained(MODELS / name, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(
    ("sampler", "kind", "config"),
    [
        ("ddim", DDIMScheduler, unet.SCHEDULE),
        (
            "dpmpp_2m",
            DPMSolverMultistepScheduler,
            {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
        ),
    ],
)
def test_the_class_model_s_states_are_the_library_s(studio, sampler, kind, config):
    pipe = opened(DiTPipeline, "icons-dit")
    (label,) = pipe.get_label_ids(["rocket"])
    path = studio.checkpoint("icons-dit").path
    pipe.scheduler = visiting(kind, path, STEPS, "trailing", **config)
    pipe([label], SCALE, torch.Generator().manual_seed(3), STEPS, output_type="pt")
    asked = {"model": "icons-dit", "prompt": "rocket", "seed": 3, "steps": STEPS}
    ours = studio.alone(**asked, sampler=sampler, guidance=Guidance(scale=SCALE))
    assert_same(ours, pipe.scheduler.last[:1])


@pytest.mark.parametrize(("sampler", "order"), [("dpmpp_2m", 2), ("euler", 1)])
def test_the_flow_s_states_are_the_library_s(studio, sampler, order):
    pipe = opened(PixArtAlphaPipeline, "icons-flow")
    path, config = studio.checkpoint("icons-flow").path, flow.SCHEDULE | {"solver_order": order}
    pipe.scheduler = visiting(DPMSolverMultistepScheduler, path, STEPS, "trailing", **config)
    theirs = pipe(
        "a blue heart",
        negative_prompt="red",
        guidance_scale=SCALE,
        num_inference_steps=STEPS,
        latents=KeyedNoise([3], (8, 16, 16)).first(),
        use_resolution_binning=False,
        output_type="latent",
    ).images
    asked = {"prompt": "a blue heart", "negative_prompt": "red", "seed": 3, "steps": STEPS}
    guided = Guidance(scale=SCALE)
    ours = studio.alone(model="icons-flow", **asked, sampler=sampler, guidance=guided)
    assert_same(ours, theirs)


def test_every_class_that_is_offered_was_taught_and_its_first_recipe_names_one(studio):
    entry, checkpoint = studio.catalog["icons-dit"], studio.checkpoint("icons-dit")
    assert len(entry.classes) == 244 and all(entry.classes)
    assert checkpoint.variance == "learned_range"
    for prompt in (offers.defaults(entry).prompt, *entry.examples):
        assert checkpoint.classes.find(prompt) is not None


def test_the_flow_knows_its_concepts_and_words_near_them(studio):
    checkpoint = studio.checkpoint("icons-flow")
    assert checkpoint.nearest("rocket")[0][0] == "rocket" and checkpoint.known("kitty")
    assert not checkpoint.known("parliamentary procedure")
