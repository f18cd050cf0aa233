"""Controls of the flow transformers against diffusers' own pipelines: Stable Diffusion 3, FLUX."""

import json
import shutil
from copy import deepcopy

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxTransformer2DModel,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetPipeline,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image

from studio.checkpoints.conditions import Asked, stack
from studio.contract import Guidance
from studio.controls import Control
from studio.diffusion.noise import KeyedNoise
from studio.diffusion.spacing import levels
from studio.errors import BadRequest
from studio.imaging.encode import png
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS, SCALE, A = 4, 4.0, "a" * 64
DRAWN = np.random.default_rng(1).integers(0, 2, (8, 8, 1))
PICTURE = np.kron(DRAWN, np.ones((8, 8, 3))).astype(np.uint8) * 255
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
SAMPLERS = {
    "euler": ("linspace", FlowMatchEulerDiscreteScheduler, {}),
    "dpmpp_2m": ("trailing", DPMSolverMultistepScheduler, FLOW),
}
SD3 = {  # zeros for the pooled text and no shift; both; neither text nor positions of its own
    "blank": {},
    "pooled": {"force_zeros_for_pooled_projection": False},
    "bare": {
        "joint_attention_dim": None,
        "use_pos_embed": False,
        "force_zeros_for_pooled_projection": False,
        "dual_attention_layers": (),
        "qk_norm": None,
    },
}
FLUX = {  # the picture's state; convolutions on the picture, whose blocks come round again
    "state": {},
    "drawn": {
        "patch_size": 2,
        "conditioning_embedding_channels": 4,
        "guidance_embeds": False,
    },
}


def control(folder, kind, network, **changes):
    torch.manual_seed(5)
    made = kind.from_config(dict(network.config) | changes)
    small.shaken(made, 0.3).save_pretrained(folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    models = tmp_path_factory.mktemp("flow")
    small.sd3_folder(models / "sd3")
    small.flux_folder(models / "dev")
    (models / "dev" / "studio.json").write_text(json.dumps({"size": 64}))
    joint = SD3Transformer2DModel.from_pretrained(models / "sd3" / "transformer")
    for name, changes in SD3.items():
        layers = 1 if name == "pooled" else 2
        control(models / name, SD3ControlNetModel, joint, num_layers=layers, **changes)
    packed = FluxTransformer2DModel.from_pretrained(models / "dev" / "transformer")
    for name, changes in FLUX.items():
        control(models / name, FluxControlNetModel, packed, **changes)
    return models


@pytest.fixture(scope="module")
def studio(models):
    return Studio(models, {A: png(PICTURE)})


@pytest.fixture(scope="module")
def pipelines(models):
    """The library draws a picture's state from the posterior; here it takes the mean, as we do."""
    made = {}
    for name in (*SD3, *FLUX):
        net, pipeline = SD3ControlNetModel, StableDiffusion3ControlNetPipeline
        if name in FLUX:
            net, pipeline = FluxControlNetModel, FluxControlNetPipeline
        base = models / ("dev" if name in FLUX else "sd3")
        made[name] = pipeline.from_pretrained(base, controlnet=net.from_pretrained(models / name))
        made[name].set_progress_bar_config(disable=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mean
        )
        yield made


def recipe(*controls, model="sd3", sampler="euler", **more):
    return {
        "model": model, "sampler": sampler, "seed": 3, "steps": STEPS, "prompt": "red disc",
        "guidance": Guidance(scale=SCALE), "spacing": SAMPLERS[sampler][0], "controls": controls,
        "negative_prompt": "" if model == "dev" else "square",
    } | more  # fmt: skip


def theirs(pipelines, studio, asked):
    (steered,) = asked["controls"]
    pipeline, (spacing, kind, config) = pipelines[steered.model], SAMPLERS[asked["sampler"]]
    checkpoint = studio.checkpoint(asked["model"])
    path = checkpoint.path.sized(8, 8)
    pipeline.scheduler = visiting(kind, path, STEPS, spacing, **config)
    noise = KeyedNoise([asked["seed"]], (checkpoint.latent.channels, 8, 8)).first()
    noise = path.first(levels(path, STEPS, spacing)[0]) * noise
    more = {"negative_prompt": asked["negative_prompt"]}
    if asked["model"] == "dev":
        noise = pipeline._pack_latents(noise, 1, 4, 8, 8)
        more = {"max_sequence_length": checkpoint.t5.length}
    out = pipeline(
        prompt=asked["prompt"],
        control_image=Image.fromarray(PICTURE),
        controlnet_conditioning_scale=steered.scale,
        control_guidance_start=steered.start,
        control_guidance_end=steered.end,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=noise,
        height=64,
        width=64,
        output_type="latent",
        **more,
    ).images
    return pipeline._unpack_latents(out, 64, 64, 8) if asked["model"] == "dev" else out


def apart(found, bare):
    return float((found - bare).abs().max() / bare.abs().max())


@pytest.mark.parametrize(
    ("id", "sampler"),
    [("blank", "euler"), ("blank", "dpmpp_2m"), ("pooled", "euler"), ("bare", "euler")],
)
def test_sd3_s_control_ends_as_the_library_s(studio, pipelines, id, sampler):
    asked = recipe(Control(id, A, scale=0.8, end=0.75), sampler=sampler)
    found = studio.alone(**asked)
    assert_same(found, theirs(pipelines, studio, asked))
    assert apart(found, studio.alone(**asked | {"controls": ()})) > 1e-3


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("id", FLUX)
def test_flux_s_control_ends_as_the_library_s(studio, pipelines, id, sampler):
    asked = recipe(Control(id, A, scale=0.8, start=0.25), model="dev", sampler=sampler)
    found = studio.alone(**asked)
    assert_same(found, theirs(pipelines, studio, asked))
    assert apart(found, studio.alone(**asked | {"controls": ()})) > 1e-3


@pytest.mark.parametrize(("model", "ids"), [("sd3", tuple(SD3)), ("dev", tuple(FLUX))])
def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, pipelines, model, ids):
    asked = [recipe(Control(id, A), model=model, seed=7 + k) for k, id in enumerate(ids)]
    bare = recipe(model=model)
    both = recipe(*(Control(id, A, scale=0.5) for id in ids), model=model)
    *found, plain, all_of_them = studio.together([(0, each) for each in (*asked, bare, both)])
    for each, state in zip(asked, found, strict=True):
        assert_same(state, theirs(pipelines, studio, each))
    assert_same(plain, studio.alone(**bare))
    assert_same(all_of_them, studio.alone(**both))


@pytest.mark.parametrize(
    ("id", "model", "change", "said"),
    [
        ("blank", "dev", {}, "is for Stable Diffusion 3, and dev is FLUX"),
        ("state", "sd3", {}, "is for FLUX, and sd3 is Stable Diffusion 3"),
        ("blank", "sd3", {"extra_conditioning_channels": 1}, "wants a picture of 4 channels"),
        ("blank", "sd3", {"joint_attention_dim": 48}, "their joint attention dim differ"),
        ("state", "dev", {"in_channels": 64}, "their in channels differ"),
        ("state", "dev", {"num_mode": 6}, "controls of several kinds in one"),
    ],
)
def test_a_control_that_does_not_fit_is_refused(models, tmp_path, id, model, change, said):
    shutil.copytree(models / model, tmp_path / model)
    file = shutil.copytree(models / id, tmp_path / id) / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(BadRequest, match=said):
        Studio(tmp_path).run(**recipe(Control(id, A), model=model))


def test_a_control_without_positions_takes_those_of_a_base_in_half_precision(studio, monkeypatch):
    base, network = studio.checkpoint("sd3"), studio.residents.control("bare")
    conditions = stack([base.encode(Asked("a red disc"))])
    x = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(2))
    asked = x, [500.0], conditions, (x,), base
    whole = network.residuals(*asked)["joint"]
    monkeypatch.setattr(base.network, "pos_embed", deepcopy(base.network.pos_embed).bfloat16())
    for exact, half in zip(whole, network.residuals(*asked)["joint"], strict=True):
        assert half.dtype == torch.float32
        assert 0 < float((half - exact).abs().max() / exact.abs().max()) < 0.03
