"""Pictures as prompts against diffusers' own pipelines: same weights, noise, words and picture."""

import io
import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionModelWithProjection

from studio.checkpoints.catalog import scan
from studio.checkpoints.controlled import check_fit
from studio.checkpoints.image_prompt import attended
from studio.contract import Guidance
from studio.controls import Control
from studio.diffusion.noise import KeyedNoise
from studio.engine import batcher, offers
from studio.engine.hints import Steering
from studio.engine.uploads import Uploads
from studio.errors import BadCheckpoint, BadRequest
from studio.imaging.encode import png
from studio.recipe import Request
from studio.ui import words
from tests.checkpoints.parity import Studio, assert_same
from tests.checkpoints.small_prompt import SIDE, eye, prompt_folder
from tests.checkpoints.small_sd import sd1_folder, sdxl_folder

STEPS, SCALE, A, B = 3, 4.0, "a" * 64, "b" * 64
BASES = {"one": "sd1", "plus": "sd1", "full": "sd1", "big": "xl"}
KINDS = {"one": "plain", "plus": "plus", "full": "full", "big": "plain"}


def painting(seed, height=40, width=56):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


PICTURES = {A: painting(1), B: painting(2, 48, 32)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    models = tmp_path_factory.mktemp("prompted")
    sd1_folder(models / "sd1")
    sdxl_folder(models / "xl")
    for id, base in BASES.items():
        prompt_folder(models / id, models / base, KINDS[id])
    return models


@pytest.fixture(scope="module")
def studio(models):
    return Studio(models, {id: png(picture) for id, picture in PICTURES.items()})


@pytest.fixture(scope="module")
def pipelines(models):
    made = {}
    for id, base in BASES.items():
        kind = StableDiffusionXLPipeline if base == "xl" else StableDiffusionPipeline
        more = {"add_watermarker": False} if base == "xl" else {"safety_checker": None}
        eyes = CLIPVisionModelWithProjection.from_pretrained(models / id / "image_encoder")
        pipe = kind.from_pretrained(models / base, image_encoder=eyes, **more)
        pipe.load_ip_adapter(models / id, subfolder="", weight_name="ip-adapter.safetensors")
        pipe.set_progress_bar_config(disable=True)
        made[id] = pipe
    return made


def recipe(*controls, model="sd1", **more):
    return {
        "model": model, "sampler": "ddim" if model == "sd1" else "euler", "seed": 3,
        "steps": STEPS, "spacing": "leading", "prompt": "a red disc", "negative_prompt": "blue",
        "guidance": Guidance(scale=SCALE), "width": 64, "height": 64, "controls": controls,
    } | more  # fmt: skip


def theirs(pipelines, asked):
    (steered,) = asked["controls"]
    pipe = pipelines[steered.model]
    kind = EulerDiscreteScheduler if asked["model"] == "xl" else DDIMScheduler
    ddim = {"clip_sample": False, "set_alpha_to_one": False} if kind is DDIMScheduler else {}
    pipe.scheduler = kind.from_config(pipe.scheduler.config, timestep_spacing="leading", **ddim)
    pipe.set_ip_adapter_scale(steered.scale)
    return pipe(
        prompt=asked["prompt"],
        negative_prompt=asked["negative_prompt"],
        ip_adapter_image=Image.fromarray(PICTURES[steered.image]),
        num_inference_steps=STEPS,
        guidance_scale=asked["guidance"].scale,
        latents=KeyedNoise([asked["seed"]], (4, 8, 8)).first(),
        height=64,
        width=64,
        output_type="latent",
    ).images


@pytest.mark.parametrize("id", BASES)
def test_a_prompted_run_ends_as_the_library_s(studio, pipelines, id):
    asked = recipe(Control(id, A, scale=0.7), model=BASES[id])
    found = studio.alone(**asked)
    assert_same(found, theirs(pipelines, asked))
    bare = studio.alone(**asked | {"controls": ()})
    assert float((found - bare).abs().max() / bare.abs().max()) > 1e-2


def test_without_guidance_it_ends_as_the_library_s(studio, pipelines):
    asked = recipe(Control("one", B, scale=1.2), guidance=Guidance(scale=1.0))
    assert_same(studio.alone(**asked), theirs(pipelines, asked))


def test_rows_with_and_without_share_forwards_and_end_as_the_library_s(studio, pipelines):
    """Two adapters, one of them late and with two pictures, and none: each as it is alone."""
    both = Control("plus", A, scale=0.4), Control("plus", B, scale=0.6)
    asked = (
        recipe(Control("one", A, scale=0.8)),
        recipe(seed=8),
        recipe(Control("plus", B), seed=9),
        recipe(*both, seed=10),
    )
    found = studio.together([(0, each) for each in asked])
    for k in (0, 2):
        assert_same(found[k], theirs(pipelines, asked[k]))
    for k in (1, 3):
        assert_same(found[k], studio.alone(**asked[k]))


def test_scale_nought_is_none_exactly(studio):
    bare = studio.alone(**recipe())
    assert torch.equal(bare, studio.alone(**recipe(Control("one", A, scale=0.0))))
    assert torch.equal(bare, studio.alone(**recipe()))  # and nothing of it stays in the base


def test_it_acts_between_its_start_and_end_and_says_what_it_added(studio):
    run = studio.run(**recipe(Control("one", A, start=0.25, end=0.75), steps=4))
    norms = []
    while run.ask is not None:
        ((raw, names),), _, _ = batcher.ask([run], 8)
        norms.append(run.take(raw, names, 1.0, 0).control[0])
    places = len(run.steered[0].network.pairs)
    assert [len(each) for each in norms] == [0, places, places, 0]
    assert all(value > 0 for each in norms for value in each)


def test_a_picture_is_looked_at_once(studio, monkeypatch):
    network = studio.residents.control("one")
    network._seen.clear()
    calls = []
    see = network._tokens
    monkeypatch.setattr(network, "_tokens", lambda *a, **k: calls.append(1) or see(*a, **k))
    studio.run(**recipe(Control("one", A)))
    studio.run(**recipe(Control("one", A, scale=0.3), seed=5))
    assert len(calls) == 2  # the picture and no picture


@pytest.mark.parametrize("id", [A, B])
def test_the_page_shows_what_the_library_s_processor_makes(models, pipelines, id):
    uploads = Uploads()
    kept = uploads.keep(png(PICTURES[id]))
    shown = Steering(scan(models), uploads).hint(Control("one", kept), 64, 64)
    pixels = np.asarray(Image.open(io.BytesIO(shown)), np.float32) / 255
    eyes = pipelines["one"].feature_extractor
    expected = eyes(Image.fromarray(PICTURES[id]), return_tensors="np").pixel_values[0]
    found = (pixels - eyes.image_mean) / eyes.image_std
    assert found.shape == (SIDE, SIDE, 3)
    assert np.abs(found.transpose(2, 0, 1) - expected).max() < 1e-5


@pytest.mark.parametrize("base", ["sd1", "xl"])
def test_widths_are_read_off_a_configuration_as_the_network_has_them(models, pipelines, base):
    config = json.loads((models / base / "unet/config.json").read_text())
    unet = pipelines["big" if base == "xl" else "one"].unet
    own = [
        p.hidden_size for n, p in unet.attn_processors.items() if not n.endswith("attn1.processor")
    ]
    assert attended(config) == own


XL = {  # the published one's, and how many cross-attentions it has
    "block_out_channels": [320, 640, 1280], "transformer_layers_per_block": [1, 2, 10],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}  # fmt: skip


def test_the_published_networks_have_16_and_70_cross_attentions():
    """Ye et al. 2023 give 16 for version 1.5; its file's last number is 31, XL's is 139."""
    assert len(attended({})) == 16
    assert len(attended(XL)) == 70


def refused(models, tmp_path, harm, base="sd1"):
    """The sentence of a catalogue or a request for an adapter that was harmed."""
    folder = shutil.copytree(models / "one", tmp_path / "odd")
    shutil.copytree(models / base, tmp_path / "base")
    harm(folder)
    catalog = scan(tmp_path)
    with pytest.raises((BadCheckpoint, BadRequest)) as said:
        offers.resolve(Request(**recipe(Control("odd", A), model="base")), catalog)
    assert words.from_sentence(str(said.value))["key"].startswith("err_")
    return str(said.value)


def change(**tensors):
    def harm(folder):
        file = folder / "ip-adapter.safetensors"
        save_file(load_file(file) | tensors, file)

    return harm


def drop(part):
    def harm(folder):
        file = folder / "ip-adapter.safetensors"
        save_file({n: t for n, t in load_file(file).items() if part not in n}, file)

    return harm


def another_eye(folder):
    shutil.rmtree(folder / "image_encoder")
    eye(folder / "image_encoder", projection_dim=48)


def pickled(folder):
    (folder / "ip-adapter.safetensors").rename(folder / "ip-adapter.bin")


def odd_sight(folder):
    (folder / "preprocessor_config.json").write_text('{"crop_size": 48}')


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: shutil.rmtree(f / "image_encoder"), "has no encoder of pictures; put the CLIP"),
        (another_eye, "reads 24 numbers of a picture, and its encoder makes 48"),
        (odd_sight, "says no sizes or colours of pictures"),
        (pickled, "is pickled"),
        (drop("image_proj.norm"), "its tensors are other ones"),
        (drop("ip_adapter.1.to_v"), "its tensors are other ones"),
        (change(**{"ip_adapter.3.to_k_ip.weight": torch.zeros(32, 99)}), "are other ones"),
        (change(**{"ip_adapter.9.to_k_lora.down.weight": torch.zeros(2, 2)}), "reads faces"),
        (lambda f: shutil.copy(f / "ip-adapter.safetensors", f / "b.safetensors"), "several"),
    ],
    ids=["no eye", "another eye", "sight", "pickle", "no norm", "no value", "wide", "face", "two"],
)
def test_what_is_no_whole_adapter_is_refused_before_it_loads(models, tmp_path, harm, said):
    assert said in refused(models, tmp_path, harm)


def test_one_for_another_network_is_refused_before_it_loads(models, tmp_path):
    said = refused(models, tmp_path, lambda folder: None, "xl")
    assert "their cross attention dim differ" in said


def test_one_of_other_widths_is_refused_before_it_loads(models, tmp_path):
    wide = {f"ip_adapter.1.to_{part}_ip.weight": torch.zeros(64, 64) for part in "kv"}
    assert "their cross attentions differ" in refused(models, tmp_path, change(**wide))


def test_a_published_width_names_its_family(models, tmp_path):
    """The words' width of XL's is 2048, of version 1's 768: no shape need be compared."""
    folder = prompt_folder(tmp_path / "large", models / "sd1")
    stored = {}
    for name, tensor in load_file(folder / "ip-adapter.safetensors").items():
        if name.startswith("ip_adapter"):
            stored[name] = torch.zeros(tensor.shape[0], 2048)
    more = {"proj.weight": torch.zeros(8192, 24), "norm.weight": torch.zeros(2048)}
    stored |= {f"image_proj.{name}": tensor for name, tensor in more.items()}
    save_file(stored, folder / "ip-adapter.safetensors")
    large = scan(tmp_path).control("large")
    assert large.family == "sdxl"
    with pytest.raises(BadRequest, match="is for Stable Diffusion XL, and sd1 is Stable Diffusion"):
        check_fit(large, scan(models)["sd1"])


def test_a_file_alone_is_told_that_it_lacks_its_encoder(models, tmp_path):
    shutil.copy(models / "one" / "ip-adapter.safetensors", tmp_path / "alone.safetensors")
    said = scan(tmp_path).refused["alone"]
    assert "the encoder that it reads them with is not beside it" in said
    assert words.from_sentence(said)["key"]


def test_guess_mode_is_refused(studio):
    with pytest.raises(BadRequest, match="has no guess mode"):
        studio.run(**recipe(Control("one", A, guess=True)))


def test_the_recipe_comes_back_as_it_was():
    asked = Request(**recipe(Control("one", A, scale=0.7, start=0.1, end=0.9)))
    assert Request.from_json(asked.to_json()).controls == asked.controls
