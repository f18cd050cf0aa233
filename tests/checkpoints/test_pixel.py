"""UNets on pixels against diffusers' own pipelines."""

import json

import pytest
import torch
from diffusers import (
    DDIMPipeline,
    DDIMScheduler,
    DDPMPipeline,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
)
from diffusers.schedulers import scheduling_ddpm

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked
from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest
from studio.settings import Settings
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting
from tests.engine.watching import finish, request

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
STEPS = 8
SAMPLERS = {  # the checkpoint, the pipeline, its scheduler, that one's words, the call's
    "ddpm": ("ddpm", DDPMPipeline, DDPMScheduler, {}, {}),
    "ddim": ("ddpm", DDIMPipeline, DDIMScheduler, {"timestep_spacing": "trailing"},
             {"use_clipped_model_output": True}),
    "dpmpp_2m": ("free", DDPMPipeline, DPMSolverMultistepScheduler, {}, {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    models = tmp_path_factory.mktemp("pixel")
    small.pixel_folder(models / "ddpm")
    small.pixel_folder(models / "free", clip_sample=False)
    small.pixel_folder(models / "adm", classes=5, learned=True)
    folder = small.pixel_folder(models / "nullable", classes=6)
    said = {"classes": list(small.NAMES), "null_class": 5}
    (folder / "studio.json").write_text(json.dumps(said))
    return Studio(models)


def recipe(sampler, seed=3):
    return {"model": SAMPLERS[sampler][0], "sampler": sampler, "seed": seed, "steps": STEPS}


def theirs(studio, monkeypatch, sampler, seed=3):
    model, pipe, kind, config, called = SAMPLERS[sampler]
    entry = studio.catalog[model]
    made = pipe.from_pretrained(entry.folder, local_files_only=True)
    made.set_progress_bar_config(disable=True)
    path = studio.checkpoint(model).path
    made.scheduler = scheduler = visiting(kind, path, STEPS, "trailing", **config)
    noise, steps = KeyedNoise([seed], entry.latent), iter(range(STEPS))
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, **__: noise(next(steps)))
    generator = torch.Generator().manual_seed(seed)
    made(generator=generator, num_inference_steps=STEPS, output_type="np", **called)
    return scheduler.last


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_final_state_is_the_library_s(studio, monkeypatch, sampler):
    assert_same(studio.alone(**recipe(sampler)), theirs(studio, monkeypatch, sampler))


def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, monkeypatch):
    arrivals = [(k, recipe(sampler, 7 + k)) for k, sampler in enumerate(SAMPLERS)]
    arrivals.append((2, recipe("ddim", 20)))
    for state, (_, asked) in zip(studio.together(arrivals), arrivals, strict=True):
        assert_same(state, theirs(studio, monkeypatch, asked["sampler"], asked["seed"]))


def test_a_class_and_a_learned_variance_are_the_library_s(studio, monkeypatch):
    """No pipeline of theirs gives a class: scheduler and network by hand."""
    checkpoint = studio.checkpoint("adm")
    scheduler = DDPMScheduler(variance_type="learned_range", timestep_spacing="leading")
    scheduler.set_timesteps(STEPS)
    noise = KeyedNoise([3], (3, 32, 32))
    x = noise.first()
    for step, t in enumerate(scheduler.timesteps):
        with torch.no_grad():
            raw = checkpoint.network(x, t, torch.tensor([2])).sample
        drawn = noise(step)
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, drawn=drawn, **__: drawn)
        x = scheduler.step(raw, t, x).prev_sample
    asked = {"model": "adm", "label": 2, "seed": 3, "steps": STEPS, "spacing": "leading"}
    assert_same(studio.alone(**asked, sampler="ddpm"), x)


def test_a_guess_keeps_to_pictures_range_where_the_scheduler_says_so(studio):
    clipped, free = studio.run(**recipe("ddim")), studio.run(**recipe("dpmpp_2m"))
    raw = torch.full((1, 3, 32, 32), 40.0)
    for run in (clipped, free):
        run.take(raw, ("cond",), 1.0, 0)
    bounds = [float(run.recording.x0[0].abs().max()) for run in (clipped, free)]
    assert bounds[0] == 1.0 and bounds[1] > 10.0


def test_with_a_null_class_guidance_leads_away_from_it(studio):
    checkpoint = studio.checkpoint("nullable")
    assert studio.catalog["nullable"].guidance == "cfg"
    assert int(checkpoint.encode(Asked(negative=True))["label"]) == 5
    assert int(checkpoint.encode(Asked("a blue bar"))["label"]) == 2
    recipe = {"model": "nullable", "prompt": "blue bar", "steps": 3}
    one = studio.alone(**recipe, guidance=Guidance("none"))
    assert not torch.allclose(studio.alone(**recipe, guidance=Guidance(scale=4.0)), one)


@pytest.mark.parametrize("model", ["ddpm", "adm"])
def test_without_a_null_class_nothing_is_guided(studio, model):
    run = studio.run(model=model, steps=3, guidance=Guidance(scale=4.0))
    assert run.names() == ("cond",)
    assert run.ticket.request.guidance.kind == "none"


def test_the_picture_is_the_state(studio):
    x = torch.rand(2, 3, 32, 32)
    checkpoint = studio.checkpoint("ddpm")
    assert torch.equal(checkpoint.decode(x), x) and torch.equal(checkpoint.embed(x), x)


def test_a_prompt_that_nobody_reads_gets_a_note(studio):
    assert "not read" in studio.checkpoint("ddpm").notes("a disc")[0]
    assert "“class 0” was drawn" in studio.checkpoint("adm").notes("a disc")[0]
    assert studio.checkpoint("ddpm").notes("") == ()


def test_a_class_without_classes_is_refused(studio):
    with pytest.raises(BadRequest, match="knows no classes"):
        studio.run(model="ddpm", label=0)


def test_the_engine_draws_it_with_exact_previews(studio):
    models = studio.catalog["ddpm"].folder.parent
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    done = finish(engine, request("ddpm", prompt="", steps=3))
    engine.close()
    assert done.preview.kind == "exact"
    assert done.request.guidance.kind == "none"


@pytest.mark.parametrize(
    ("file", "fields", "words"),
    [
        ("unet", {"sample_size": 30}, "multiples of 8"),
        ("unet", {"sample_size": [32, 64]}, "sample_size"),
        ("unet", {"in_channels": 4}, "1 or 3 channels"),
        ("unet", {"block_out_channels": 8}, "how large"),
        ("unet", {"class_embed_type": "timestep"}, "another way"),
        ("unet", {"num_class_embeds": -1}, "num_class_embeds"),
        ("unet", {"out_channels": 6}, "variance"),
        ("scheduler", {"variance_type": "learned"}, "variance"),
        ("scheduler", {"clip_sample_range": "wide"}, "keeps pictures"),
        ("scheduler", {"thresholding": True}, "dynamic threshold"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path, file, fields, words):
    folder = small.pixel_folder(tmp_path / "odd")
    name = "scheduler_config.json" if file == "scheduler" else "config.json"
    config = folder / file / name
    config.write_text(json.dumps(json.loads(config.read_text()) | fields))
    assert words in scan(tmp_path).refused["odd"]
