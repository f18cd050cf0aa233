"""One seed, one picture: alone, in a batch, after a cancel, watched or not."""

import gc

import pytest
import torch

from studio.contract import Finished, View
from studio.engine.engine import LocalEngine
from studio.settings import Settings
from tests.engine.watching import finish, last, pictures, request

MODELS = ("random", "shapes")


@pytest.fixture(scope="module")
def alone(engine):
    return {model: finish(engine, request(model, seed=11)) for model in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_twice_the_same_request_is_twice_the_same_picture(engine, alone, model):
    again = finish(engine, request(model, seed=11))
    assert again.pixels_sha256 == alone[model].pixels_sha256
    assert again.xt_sha256 == alone[model].xt_sha256


@pytest.mark.parametrize("model", MODELS)
def test_after_a_cancel_the_picture_is_the_same(engine, alone, model):
    stopped = engine.submit(request(model, seed=11, steps=200))
    next(engine.events(stopped))
    engine.cancel(stopped)
    last(engine, stopped)
    assert finish(engine, request(model, seed=11)).pixels_sha256 == alone[model].pixels_sha256


@pytest.mark.parametrize("model", MODELS)
def test_previews_change_no_picture(engine, alone, model):
    unwatched = finish(engine, request(model, seed=11), View(preview="off"))
    assert unwatched.pixels_sha256 == alone[model].pixels_sha256


@pytest.mark.parametrize("model", MODELS)
def test_among_other_runs_the_picture_agrees_within_one_level(engine, alone, model):
    runs = [engine.submit(request(model, seed=s, steps=4 + s % 3)) for s in (3, 4, 5)]
    mine = engine.submit(request(model, seed=11))
    runs.append(engine.submit(request(model, seed=6, sampler="heun")))
    done = last(engine, mine)
    assert all(isinstance(last(engine, run), Finished) for run in runs)
    assert abs(pictures(done) - pictures(alone[model])).max() <= 1


@pytest.mark.parametrize("model", MODELS)
def test_a_run_with_forwards_of_its_own_is_exact_in_any_company(engine, model):
    asked = request(model, seed=11, alone=True)
    quiet = finish(engine, asked)
    company = [engine.submit(request(model, seed=s, steps=9)) for s in (3, 4)]
    busy = finish(engine, asked)
    assert all(isinstance(last(engine, run), Finished) for run in company)
    assert busy.pixels_sha256 == quiet.pixels_sha256


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampler", ["ddim", "euler_ancestral"])
def test_picture_k_has_seed_plus_k(engine, model, sampler):
    batch = pictures(finish(engine, request(model, seed=11, count=3, sampler=sampler)))
    single = pictures(finish(engine, request(model, seed=13, sampler=sampler)))
    assert abs(batch[2] - single[0]).max() <= 1


def test_forgotten_runs_leave_no_tensor_behind(models):
    def live():
        gc.collect()
        found = [o for o in gc.get_objects() if type(o) is torch.Tensor]
        return sum(t.numel() * t.element_size() for t in found)

    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    engine.forget(_ran(engine))
    engine.known("random", "red disc")  # returns when everything before it is done
    before = live()
    for _ in range(3):
        engine.forget(_ran(engine))
    engine.known("random", "red disc")
    assert live() <= before  # less, where something older was let go meanwhile
    engine.close()


def _ran(engine):
    run = engine.submit(request("random"))
    last(engine, run)
    return run
