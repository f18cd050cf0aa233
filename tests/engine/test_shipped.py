"""The checkpoints that come with the studio."""

import numpy as np
import pytest
from diffusers import DDIMScheduler, StableDiffusionPipeline

from studio.contract import Finished, Request
from studio.diffusion.noise import KeyedNoise
from studio.engine.engine import LocalEngine
from studio.settings import Settings
from tests.engine.watching import finish, last, pictures

pytestmark = pytest.mark.integration
MODELS = Settings().models


@pytest.fixture(scope="module")
def engine():
    shipped = LocalEngine(Settings()).start(warm=False)
    yield shipped
    shipped.close()


def recipe(engine, model, **changes):
    info = next(info for info in engine.catalog() if info.id == model)
    return info.defaults.with_(**{"prompt": "red apple", "steps": 10} | changes)


def test_every_shipped_checkpoint_is_offered_with_a_title_a_licence_and_a_default_request(engine):
    infos = {info.id: info for info in engine.catalog()}
    assert {"exact-icons", "icons-unet"} <= set(infos)
    for info in infos.values():
        assert info.title and info.knows and info.licence != "not stated" and info.examples
        assert isinstance(info.defaults, Request) and info.defaults.prompt
    assert engine.default_model() in infos


@pytest.mark.parametrize("prompt", ["red apple", "cat face", "rocket", "pizza", "blue heart"])
def test_exact_icons_knows_what_people_ask_first(engine, prompt):
    known = engine.known("exact-icons", prompt)
    assert known.known and known.nearest[0][0] == prompt


def test_exact_icons_draws_one_of_its_pictures(engine):
    done = finish(engine, recipe(engine, "exact-icons", steps=20))
    from studio.checkpoints.catalog import scan
    from studio.checkpoints.load import load
    from studio.imaging.tensors import to_rgb

    catalog = scan(MODELS)
    exact = load(catalog["exact-icons"], "cpu", lambda doing, share: None, {})
    all_of_them = to_rgb(exact.flat.reshape(-1, 3, 128, 128)).astype(int)
    distances = abs(all_of_them - pictures(done)[0]).max((1, 2, 3))
    assert distances.min() <= 2 and "apple" in exact.captions[int(distances.argmin())]


@pytest.mark.parametrize("model", ["exact-icons", "icons-unet"])
def test_a_seed_is_the_same_picture_alone_in_company_and_after_a_cancel(engine, model):
    asked = recipe(engine, model, seed=5)
    alone = finish(engine, asked)
    stopped = engine.submit(asked.with_(steps=500))
    company = engine.submit(asked.with_(seed=77, prompt="rocket", sampler="heun"))
    engine.cancel(stopped)
    mine = engine.submit(asked)
    assert abs(pictures(last(engine, mine)) - pictures(alone)).max() <= 1
    assert isinstance(last(engine, company), Finished)
    assert finish(engine, asked).pixels_sha256 == alone.pixels_sha256


def test_icons_unet_in_plain_diffusers_makes_the_same_picture(engine):
    asked = recipe(engine, "icons-unet", seed=3, negative_prompt="cat", sampler="ddim")
    mine = pictures(finish(engine, asked))
    pipe = StableDiffusionPipeline.from_pretrained(MODELS / "icons-unet", local_files_only=True)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        asked.prompt,
        negative_prompt=asked.negative_prompt,
        num_inference_steps=asked.steps,
        guidance_scale=asked.guidance.scale,
        latents=KeyedNoise([asked.seed], _shape(pipe)).first(),
    ).images[0]
    assert abs(mine[0] - np.asarray(theirs).astype(int)).max() <= 1


def _shape(pipe):
    side = pipe.unet.config.sample_size
    return (pipe.unet.config.in_channels, side, side)
