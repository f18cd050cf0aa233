"""Controls of Stable Diffusion's line against diffusers' own pipelines: ControlNet, T2I-Adapter."""

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionAdapterPipeline,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLControlNetPipeline,
    T2IAdapter,
    UNet2DConditionModel,
)
from PIL import Image

from studio.contract import Guidance
from studio.controls import Control
from studio.diffusion.noise import KeyedNoise
from studio.errors import BadRequest
from studio.imaging.encode import png
from tests.checkpoints.parity import Studio, assert_same
from tests.checkpoints.small import shaken
from tests.checkpoints.small_sd import sd1_folder, sdxl_folder

STEPS, SCALE, A, B = 4, 4.0, "a" * 64, "b" * 64
SCHEDULERS = {"euler": EulerDiscreteScheduler, "ddim": DDIMScheduler}


def drawing(seed):
    values = np.random.default_rng(seed).random((8, 8, 1)) > 0.6
    return np.kron(values, np.ones((8, 8, 3))).astype(np.uint8) * 255


PICTURES = {A: drawing(1), B: drawing(2)}


def control(folder, unet):
    torch.manual_seed(5)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8, 16))
    shaken(net, 0.3).save_pretrained(folder)


def adapter(folder, kind, channels, **settings):
    torch.manual_seed(6)
    net = T2IAdapter(channels=channels, num_res_blocks=1, adapter_type=kind, **settings)
    shaken(net, 0.3).save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """XL's own adapters want its topology: no attention in the first block, three in all."""
    models = tmp_path_factory.mktemp("controls")
    sd1_folder(models / "sd1")
    sdxl_folder(models / "xl")
    deep = UNet2DConditionModel.load_config(models / "xl" / "unet") | {
        "block_out_channels": (64, 128, 128),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": [1, 2, 2],
        "transformer_layers_per_block": [1, 1, 1],
    }
    shutil.rmtree(models / "xl" / "unet")
    unet = shaken(UNet2DConditionModel.from_config(deep), 0.1)
    unet.save_pretrained(models / "xl" / "unet")
    control(models / "lines", unet)
    adapter(models / "features", "full_adapter", [32, 64])
    adapter(models / "grey", "light_adapter", [32, 64], in_channels=1)
    adapter(models / "deep", "full_adapter_xl", [64, 128, 128, 128], downscale_factor=16)
    return models


@pytest.fixture(scope="module")
def studio(models):
    return Studio(models, {id: png(picture) for id, picture in PICTURES.items()})


@pytest.fixture(scope="module")
def pipelines(models):
    made = {
        "lines": StableDiffusionXLControlNetPipeline.from_pretrained(
            models / "xl",
            controlnet=ControlNetModel.from_pretrained(models / "lines"),
            add_watermarker=False,
        )
    }
    for id, kind, base in (
        ("features", StableDiffusionAdapterPipeline, "sd1"),
        ("grey", StableDiffusionAdapterPipeline, "sd1"),
        ("deep", StableDiffusionXLAdapterPipeline, "xl"),
    ):
        more = {"add_watermarker": False} if base == "xl" else {"safety_checker": None}
        net = T2IAdapter.from_pretrained(models / id)
        made[id] = kind.from_pretrained(models / base, adapter=net, **more)
    for pipeline in made.values():
        pipeline.set_progress_bar_config(disable=True)
    return made


def recipe(*controls, model="xl", sampler="euler", **more):
    return {
        "model": model, "sampler": sampler, "seed": 3, "steps": STEPS, "spacing": "leading",
        "prompt": "a red disc", "negative_prompt": "blue", "guidance": Guidance(scale=SCALE),
        "width": 64, "height": 64, "controls": controls,
    } | more  # fmt: skip


def theirs(pipelines, asked, **more):
    (steered,) = asked["controls"]
    pipeline = pipelines[steered.model]
    if asked["sampler"] == "ddim":
        more |= {"eta": 0.0}
    ddim = {"clip_sample": False, "set_alpha_to_one": False} if asked["model"] == "sd1" else {}
    pipeline.scheduler = SCHEDULERS[asked["sampler"]].from_config(
        pipeline.scheduler.config, timestep_spacing="leading", **ddim
    )
    picture = Image.fromarray(PICTURES[steered.image])
    named = "controlnet" if steered.model == "lines" else "adapter"
    return pipeline(
        prompt=asked["prompt"],
        negative_prompt=asked["negative_prompt"],
        image=picture.convert("L") if steered.model == "grey" else picture,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=KeyedNoise([asked["seed"]], (4, 8, 8)).first(),
        height=64,
        width=64,
        output_type="latent",
        **{f"{named}_conditioning_scale": steered.scale},
        **more,
    ).images


def test_xl_s_control_ends_as_the_library_s(studio, pipelines):
    asked = recipe(Control("lines", A, scale=0.8))
    assert_same(studio.alone(**asked), theirs(pipelines, asked))
    bare = studio.alone(**recipe())
    assert float((studio.alone(**asked) - bare).abs().max() / bare.abs().max()) > 1e-2


def test_xl_s_control_within_its_start_and_end_ends_as_the_library_s(studio, pipelines):
    asked = recipe(Control("lines", B, start=0.25, end=0.75))
    span = {"control_guidance_start": 0.25, "control_guidance_end": 0.75}
    assert_same(studio.alone(**asked), theirs(pipelines, asked, **span))


@pytest.mark.parametrize(
    ("id", "model", "sampler"),
    [("features", "sd1", "ddim"), ("grey", "sd1", "euler"), ("deep", "xl", "euler")],
)
def test_an_adapter_s_features_end_as_the_library_s(studio, pipelines, id, model, sampler):
    asked = recipe(Control(id, A, scale=0.7), model=model, sampler=sampler)
    found = studio.alone(**asked)
    assert_same(found, theirs(pipelines, asked))
    bare = studio.alone(**asked | {"controls": ()})
    assert float((found - bare).abs().max() / bare.abs().max()) > 1e-2


def test_an_adapter_that_ends_early_ends_as_the_library_s(studio, pipelines):
    asked = recipe(Control("deep", A, end=0.5))
    early = {"adapter_conditioning_factor": 0.5}
    assert_same(studio.alone(**asked), theirs(pipelines, asked, **early))


def test_features_are_made_once_a_run(studio):
    run = studio.run(**recipe(Control("features", A), model="sd1"))
    (guide,) = run.steered
    assert [tuple(f.shape[1:]) for f in guide.hint] == [(32, 8, 8), (64, 4, 4)]
    assert guide.network.residuals(None, (), {}, guide.hint, None)["inside"] is guide.hint


def test_both_kinds_and_none_in_shared_forwards_end_as_the_library_s(studio, pipelines):
    """One run that both kinds steer is what it is alone."""
    asked = (
        recipe(Control("lines", A)),
        recipe(Control("deep", B, scale=0.5), seed=8),
        recipe(),
        recipe(Control("lines", B, scale=0.4), Control("deep", A), seed=9),
    )
    found = studio.together([(0, each) for each in asked])
    for each, state in zip(asked[:2], found, strict=False):
        assert_same(state, theirs(pipelines, each))
    for each, state in zip(asked[2:], found[2:], strict=True):
        assert_same(state, studio.alone(**each))


@pytest.mark.parametrize(
    ("id", "model", "size", "said"),
    [
        ("features", "xl", 64, "is for Stable Diffusion, and xl is Stable Diffusion XL"),
        ("deep", "sd1", 64, "is for Stable Diffusion XL, and sd1 is Stable Diffusion;"),
        ("deep", "xl", 72, "multiples of 16, not 72×72"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(studio, id, model, size, said):
    with pytest.raises(BadRequest, match=said):
        studio.run(**recipe(Control(id, A), model=model, width=size, height=size))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": [32, 96]}, "their block out channels differ"),
        ({"channels": "many"}, "their block out channels differ"),
        ({"downscale_factor": 4}, "their downscale factor differ"),
        ({"in_channels": 2}, "wants a picture of 2 channels"),
    ],
)
def test_an_adapter_of_other_widths_is_refused_before_it_loads(models, tmp_path, change, said):
    shutil.copytree(models / "sd1", tmp_path / "base")
    folder = shutil.copytree(models / "features", tmp_path / "odd")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(BadRequest, match=said):
        Studio(tmp_path).run(**recipe(Control("odd", A), model="base"))
