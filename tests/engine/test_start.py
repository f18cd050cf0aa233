"""Image to image and inpainting against diffusers' own pipelines: same weights, noise, schedule."""

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    UniPCMultistepScheduler,
)
from PIL import Image

from studio.checkpoints.catalog import scan
from studio.contract import Guidance, View
from studio.engine import batcher, offers
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import rows
from studio.engine.run import Run
from studio.engine.start import Start, start
from studio.engine.ticket import Ticket
from studio.imaging.encode import png
from studio.settings import Settings
from tests.engine.tiny import sd_folder
from tests.engine.watching import request

STEPS, SCALE = 8, 4.0  # a divisor of 1000: else diffusers' DDIM steps past its own timesteps
A, B = "a" * 64, "b" * 64
SOLVERS = {
    "ddim": (DDIMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++"}),
    "unipc": (UniPCMultistepScheduler, {}),
}


def picture():
    """A smooth 64 px picture, RGB."""
    y, x = np.mgrid[0:1:64j, 0:1:64j]
    return (255 * np.stack([x, y, 0.5 + 0.5 * np.sin(9 * x * y)], -1)).round().astype(np.uint8)


def mask():
    """White where it is painted anew: a disc off the middle, on no grid of eight."""
    y, x = np.mgrid[0:64, 0:64]
    inside = (x - 37) ** 2 + (y - 29) ** 2 < 18**2
    return np.repeat(255 * inside[..., None], 3, -1).astype(np.uint8)


PICTURES = {A: png(picture()), B: png(mask())}


class Sampled(torch.nn.Module):
    """A VAE whose posterior's sample is its mean: what is drawn there is not what is compared."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def __getattr__(self, name):
        if name == "vae":
            return super().__getattr__(name)
        return getattr(self.vae, name)

    def encode(self, x):
        out = self.vae.encode(x)
        out.latent_dist.sample = lambda generator=None: out.latent_dist.mean
        return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    models = tmp_path_factory.mktemp("four")
    sd_folder(models / "random", "v_prediction")
    return models


@pytest.fixture(scope="module")
def inpainter(tmp_path_factory):
    models = tmp_path_factory.mktemp("nine")
    sd_folder(models / "random", "epsilon", inpaints=True)
    return models


def ours(models, **changes):
    """The final state (1, 4, 8, 8) of a run driven through the batcher."""
    catalog = scan(models)
    residents = Residents(Settings(models=models), catalog, "cpu")
    asked = offers.resolve(recipe(**changes), catalog)
    ticket = Ticket(asked, View(preview="off"))
    ticket.recording = Shelf(2**20).new()
    checkpoint = residents.get("random", lambda doing, share: None)
    conditions = {n: residents.condition(checkpoint, row) for n, row in rows(asked).items()}
    begun = start(asked, checkpoint, PICTURES)
    run = Run(ticket, checkpoint, residents.painter("random"), conditions, begun)
    while run.ask is not None:
        ((raw, names),), _, _ = batcher.ask([run], 32)
        run.take(raw, names, 1.0, 0)
    return run.state, run


def recipe(**changes):
    return request(seed=3, steps=STEPS, guidance=Guidance(scale=SCALE), image=A, **changes)


def theirs(kind, models, sampler, strength, **inputs):
    """The same through diffusers; its first draw is the noise that this seed names."""
    pipe = kind.from_pretrained(models / "random", local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.vae = Sampled(pipe.vae)
    solver, options = SOLVERS[sampler]
    pipe.scheduler = solver.from_config(pipe.scheduler.config, **options)
    return pipe(
        prompt="red disc",
        image=Image.fromarray(picture()),
        strength=strength,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
        **inputs,
    ).images


def agree(mine, expected):
    return float(torch.linalg.norm(mine - expected) / torch.linalg.norm(expected)) < 1e-4


@pytest.mark.parametrize("sampler", SOLVERS)
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_image_to_image_equals_diffusers_pipeline(folder, sampler, strength):
    expected = theirs(StableDiffusionImg2ImgPipeline, folder, sampler, strength)
    mine, run = ours(folder, sampler=sampler, strength=strength)
    assert agree(mine, expected)
    assert run.total == int(STEPS * strength)


# diffusers' Euler starts from σ_T·ε where DDIM, whose rule the checkpoint names, starts from ε
@pytest.mark.parametrize(
    ("sampler", "strength"), [("ddim", 1.0), ("dpmpp_2m", 1.0), ("euler", 0.75), ("unipc", 0.75)]
)
def test_inpainting_equals_diffusers_pipeline(folder, sampler, strength):
    inputs = {"mask_image": Image.fromarray(mask()), "height": 64, "width": 64}
    expected = theirs(StableDiffusionInpaintPipeline, folder, sampler, strength, **inputs)
    assert agree(ours(folder, sampler=sampler, strength=strength, mask=B)[0], expected)


@pytest.mark.parametrize(
    ("sampler", "strength"), [("ddim", 1.0), ("euler", 0.75), ("dpmpp_2m", 0.75)]
)
def test_a_network_with_nine_channels_equals_diffusers_pipeline(inpainter, sampler, strength):
    inputs = {"mask_image": Image.fromarray(mask()), "height": 64, "width": 64}
    expected = theirs(StableDiffusionInpaintPipeline, inpainter, sampler, strength, **inputs)
    assert agree(ours(inpainter, sampler=sampler, strength=strength, mask=B)[0], expected)


def test_outside_the_mask_the_pixels_stay_and_the_edge_is_soft():
    rgb = np.zeros((32, 32, 3), np.uint8)
    painted = np.zeros((32, 32))
    painted[:, 16:] = 1.0
    begun = Start(torch.zeros(4, 4, 4), torch.zeros(1, 4, 4), rgb, painted)
    mixed = begun.paste(np.full((32, 32, 3), 240, np.uint8))
    assert (mixed[:, :16] == 0).all()
    assert (mixed[:, 20:] == 240).all()
    assert (mixed[:, 16] > 0).all() and (mixed[:, 16] < mixed[:, 17]).all()


def test_a_mask_that_is_all_white_keeps_nothing():
    made = np.full((32, 32, 3), 9, np.uint8)
    begun = Start(torch.zeros(4, 4, 4), torch.ones(1, 4, 4), made * 0, np.ones((32, 32)))
    assert (begun.paste(made) == 9).all()
