"""Controls on the studio's own loop against diffusers' own pipeline: same weights, noise, hints."""

import json

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionControlNetPipeline,
)
from PIL import Image

from studio.checkpoints.catalog import scan
from studio.checkpoints.fingerprint import weights_sha256
from studio.contract import Guidance, View
from studio.controls import Control
from studio.engine import batcher, offers
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import rows
from studio.engine.run import Run
from studio.engine.steering import guides
from studio.engine.ticket import Ticket
from studio.errors import BadRequest, NotFound
from studio.imaging.encode import png
from studio.settings import Settings
from tests.engine.tiny import control_folder, sd_folder
from tests.engine.watching import request

STEPS, SCALE = 4, 4.0
A, B = "a" * 64, "b" * 64


def drawing(seed):
    values = np.random.default_rng(seed).random((8, 8, 3)) > 0.6
    return np.kron(values, np.ones((8, 8, 1))).astype(np.uint8) * 255


PICTURES = {A: png(drawing(1)), B: png(drawing(2))}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    models = tmp_path_factory.mktemp("models")
    sd_folder(models / "random", "epsilon")
    control_folder(models / "lines", models / "random", 5)
    control_folder(models / "spots", models / "random", 6)
    return models


@pytest.fixture(scope="module")
def residents(models):
    return Residents(Settings(models=models), scan(models), "cpu")


@pytest.fixture(scope="module")
def pipeline(models):
    nets = [ControlNetModel.from_pretrained(models / name) for name in ("lines", "spots")]
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        models / "random", controlnet=nets, local_files_only=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe, nets


def asked(*controls, **changes):
    guidance = Guidance(scale=SCALE)
    return request(seed=3, steps=STEPS, guidance=guidance, controls=controls, **changes)


def begin(residents, request):
    resolved = offers.resolve(request, residents.catalog)
    ticket = Ticket(resolved, View(preview="off"))
    ticket.recording = Shelf(2**20).new()
    checkpoint = residents.get("random", lambda doing, share: None)
    conditions = {n: residents.condition(checkpoint, row) for n, row in rows(resolved).items()}
    networks = {c.model: residents.control(c.model) for c in resolved.controls}
    steered = guides(resolved, PICTURES, checkpoint, networks)
    painter = residents.painter("random")
    return Run(ticket, checkpoint, painter, conditions, steered=steered)


def drive(*runs):
    """All runs to their ends on shared forwards; their Steps."""
    steps = {id(run): [] for run in runs}
    while going := [run for run in runs if run.ask is not None]:
        answers, _, _ = batcher.ask(going, 32)
        for run, (raw, names) in zip(going, answers, strict=True):
            steps[id(run)].append(run.take(raw, names, 1.0, 0))
    return [steps[id(run)] for run in runs]


def theirs(pipeline, picked, scheduler=DDIMScheduler, **inputs):
    pipe, nets = pipeline
    pipe.controlnet = nets[picked] if isinstance(picked, int) else pipe.controlnet
    pipe.scheduler = scheduler.from_config(pipe.scheduler.config)
    noise = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(3))
    return pipe(
        prompt="red disc",
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=noise,
        height=64,
        width=64,
        output_type="latent",
        **inputs,
    ).images


def agree(mine, expected):
    return float(torch.linalg.norm(mine - expected) / torch.linalg.norm(expected)) < 1e-4


@pytest.mark.parametrize(
    ("sampler", "scheduler"),
    [("ddim", DDIMScheduler), ("dpmpp_2m", DPMSolverMultistepScheduler)],
)
def test_a_controlled_run_equals_diffusers_pipeline(residents, pipeline, sampler, scheduler):
    hint = Image.fromarray(drawing(1))
    scale = {"controlnet_conditioning_scale": 0.8}
    expected = theirs(pipeline, 0, scheduler, image=hint, **scale)
    run = begin(residents, asked(Control("lines", A, scale=0.8), sampler=sampler))
    drive(run)
    assert agree(run.state, expected)


def test_a_control_within_its_start_and_end_equals_diffusers_pipeline(residents, pipeline):
    span = {"control_guidance_start": 0.25, "control_guidance_end": 0.75}
    run = begin(residents, asked(Control("lines", A, start=0.25, end=0.75)))
    (steps,) = drive(run)
    assert [bool(step.control[0]) for step in steps] == [False, True, True, False]
    expected = theirs(pipeline, 0, DDIMScheduler, image=Image.fromarray(drawing(1)), **span)
    assert agree(run.state, expected)


def test_guess_mode_equals_diffusers_pipeline(residents, pipeline):
    expected = theirs(pipeline, 0, image=Image.fromarray(drawing(1)), guess_mode=True)
    run = begin(residents, asked(Control("lines", A, guess=True)))
    drive(run)
    assert agree(run.state, expected)


def test_two_controls_with_their_own_weights_equal_diffusers_pipeline(models, residents):
    nets = [ControlNetModel.from_pretrained(models / name) for name in ("lines", "spots")]
    pipe = StableDiffusionControlNetPipeline.from_pretrained(
        models / "random", controlnet=nets, local_files_only=True, safety_checker=None
    )
    pipe.set_progress_bar_config(disable=True)
    hints = [Image.fromarray(drawing(1)), Image.fromarray(drawing(2))]
    expected = theirs((pipe, nets), None, image=hints, controlnet_conditioning_scale=[0.5, 1.2])
    controls = Control("lines", A, scale=0.5), Control("spots", B, scale=1.2)
    run = begin(residents, asked(*controls))
    drive(run)
    assert agree(run.state, expected)


def test_runs_with_other_controls_and_none_share_forwards_and_stay_as_they_are(residents):
    requests = (
        asked(Control("lines", A)),
        asked(),
        asked(Control("spots", B, scale=0.6, end=0.5), Control("lines", B), sampler="dpmpp_2m"),
        asked(Control("lines", A, guess=True), count=2),
    )
    alone = []
    for each in requests:
        run = begin(residents, each)
        drive(run)
        alone.append(run.state)
    together = [begin(residents, each) for each in requests]
    steps = drive(*together)
    for run, state in zip(together, alone, strict=True):
        assert agree(run.state, state)
    assert all(step.control == () for step in steps[1])
    assert [len(step.control[0]) for step in steps[0]] == [5] * STEPS  # four skips, one middle


def test_a_control_at_scale_nought_changes_nothing(residents):
    bare, held = begin(residents, asked()), begin(residents, asked(Control("lines", A, scale=0.0)))
    drive(bare)
    drive(held)
    assert torch.equal(bare.state, held.state)


def test_another_base_is_refused_before_anything_loads(models, tmp_path):
    sd_folder(tmp_path / "random", "epsilon", seed=1)
    right = weights_sha256(models / "random" / "unet")
    control_folder(tmp_path / "lines", tmp_path / "random", 5, base="icons", base_sha256=right)
    catalog = scan(tmp_path)
    with pytest.raises(BadRequest, match="trained for icons with other weights than random"):
        offers.resolve(asked(Control("lines", A)), catalog)


def test_a_control_of_another_shape_or_family_is_refused_before_anything_loads(models, tmp_path):
    sd_folder(tmp_path / "random", "epsilon")
    for name, change in {
        "wide": {"cross_attention_dim": 99},
        "xl": {"addition_embed_type": "text_time"},
        "grey": {"conditioning_channels": 1},
    }.items():
        control_folder(tmp_path / name, tmp_path / "random", 5)
        file = tmp_path / name / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    catalog = scan(tmp_path)
    said = {}
    for name in ("wide", "xl", "grey"):
        with pytest.raises(BadRequest) as refused:
            offers.resolve(asked(Control(name, A)), catalog)
        said[name] = str(refused.value)
    assert "cross attention dim" in said["wide"]
    assert "is for Stable Diffusion XL" in said["xl"]
    assert "1 channels" in said["grey"]
    with pytest.raises(NotFound, match="no control"):
        offers.resolve(asked(Control("nowhere", A)), catalog)
