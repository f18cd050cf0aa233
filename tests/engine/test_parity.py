"""The whole of the studio against diffusers' own pipeline: same weights, noise and schedule."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from studio.checkpoints.catalog import scan
from studio.contract import Guidance, View
from studio.diffusion.noise import KeyedNoise
from studio.engine import batcher, offers
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import rows
from studio.engine.run import Run
from studio.engine.ticket import Ticket
from studio.settings import Settings
from tests.engine.tiny import sd_folder
from tests.engine.watching import finish, pictures, request

STEPS, SCALE = 8, 4.0  # a divisor of 1000: else diffusers' DDIM steps past its own timesteps


@pytest.fixture(scope="module", params=["v_prediction", "epsilon"])
def folder(request, tmp_path_factory):
    models = tmp_path_factory.mktemp(request.param)
    sd_folder(models / "random", request.param)
    return models


@pytest.fixture(scope="module")
def pipeline(folder):
    pipe = StableDiffusionPipeline.from_pretrained(folder / "random", local_files_only=True)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def theirs(pipeline, negative, kind):
    noise = KeyedNoise([3, 4], (4, 8, 8)).first()
    return pipeline(
        prompt=["red disc"] * 2,
        negative_prompt=[negative] * 2,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=noise,
        height=64,
        width=64,
        output_type=kind,
    ).images


def ours(folder, negative):
    """The final state (2, 4, 8, 8) of a run driven through the batcher."""
    catalog = scan(folder)
    residents = Residents(Settings(models=folder), catalog, "cpu")
    asked = offers.resolve(recipe(negative), catalog)
    ticket = Ticket(asked, View(preview="off"))
    ticket.recording = Shelf(2**20).new()
    checkpoint = residents.get("random", lambda doing, share: None)
    conditions = {n: residents.condition(checkpoint, row) for n, row in rows(asked).items()}
    run = Run(ticket, checkpoint, residents.painter("random"), conditions)
    while run.ask is not None:
        ((raw, names),), _, _ = batcher.ask([run], 32)
        run.take(raw, names, 1.0, 0)
    return run.state


def recipe(negative):
    guidance = Guidance(scale=SCALE)
    return request(seed=3, count=2, steps=STEPS, guidance=guidance, negative_prompt=negative)


@pytest.mark.parametrize("negative", ["", "blue cross"])
def test_final_states_equal_diffusers_pipeline(folder, pipeline, negative):
    expected = theirs(pipeline, negative, "latent")
    assert torch.linalg.norm(ours(folder, negative) - expected) < 1e-4 * torch.linalg.norm(expected)


def test_pictures_equal_diffusers_pipeline(folder, pipeline):
    from studio.engine.engine import LocalEngine

    engine = LocalEngine(Settings(models=folder, threads=1)).start(warm=False)
    mine = pictures(finish(engine, recipe("blue cross")))
    engine.close()
    images = theirs(pipeline, "blue cross", "pil")
    assert abs(mine - np.stack([np.asarray(image) for image in images])).max() <= 1
