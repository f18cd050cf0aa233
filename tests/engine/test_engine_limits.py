"""What the engine refuses, forgets and survives."""

import numpy as np
import pytest

from studio.checkpoints.families.exact import ExactIcons
from studio.contract import Cancelled, Failed, Finished, Loading, View
from studio.diffusion.samplers.registry import SAMPLERS
from studio.diffusion.spacing import SPACINGS
from studio.engine.engine import LocalEngine
from studio.errors import BadRequest, Busy, NotFound, OverBudget, StudioError
from studio.settings import Settings
from tests.engine.watching import events, finish, last, request


def test_a_forgotten_run_is_gone(engine):
    run = engine.submit(request("shapes"))
    last(engine, run)
    engine.forget(run)
    engine.forget(run)
    with pytest.raises(NotFound):
        engine.events(run)
    with pytest.raises(NotFound):
        engine.frame(run, 0, "xt")


def test_forgetting_ends_a_run_that_goes(engine):
    run = engine.submit(request("shapes", steps=900))
    reader = engine.events(run, timeout=60)
    engine.forget(run)
    assert isinstance(list(reader)[-1], Cancelled)


def test_a_full_queue_says_so(models, gate):
    engine = LocalEngine(Settings(models=models, queue_limit=2, threads=1)).start(warm=False)
    for seed in range(2):
        engine.submit(request("shapes", seed=seed))
    with pytest.raises(Busy, match="try again"):
        engine.submit(request("shapes"))
    gate.opened.set()
    engine.close()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "nothing"}, NotFound),
        ({"model": "../random"}, NotFound),
        ({"sampler": "magic"}, BadRequest),
        ({"spacing": "magic"}, BadRequest),
        ({"model": "shapes", "width": 64, "height": 64}, BadRequest),
        ({"width": 2048, "height": 2048, "steps": 1000, "count": 16}, OverBudget),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(engine, changes, error):
    with pytest.raises(error):
        engine.submit(request(**changes))


def test_runs_that_wait_for_the_start_are_told_so_and_then_served(models):
    engine = LocalEngine(Settings(models=models, threads=1))
    run = engine.submit(request("shapes"))
    engine.start(warm=False)
    told = events(engine, run)
    engine.close()
    assert isinstance(told[1], Loading) and told[1].doing == "starting the engine"
    assert isinstance(told[-1], Finished)


def test_closing_ends_what_goes_and_refuses_what_comes(models):
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    run = engine.submit(request("shapes", steps=1000))
    reader = engine.events(run, timeout=60)
    next(reader)
    engine.close()
    assert isinstance(list(reader)[-1], Cancelled)
    with pytest.raises(StudioError, match="stopped"):
        engine.submit(request("shapes"))


def test_a_checkpoint_that_is_damaged_fails_in_words(models, tmp_path):
    import shutil

    shutil.copytree(models / "random", tmp_path / "broken")
    weights = tmp_path / "broken" / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-4:] = np.float32(np.nan).tobytes()
    weights.write_bytes(data)
    engine = LocalEngine(Settings(models=tmp_path, threads=1)).start(warm=False)
    end = last(engine, engine.submit(request("broken")))
    engine.close()
    assert isinstance(end, Failed) and "NaN" in end.message


def test_a_turn_that_fails_ends_its_runs_and_not_the_engine(models, monkeypatch):
    from studio.engine import batcher

    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    finish(engine, request("shapes"))
    with monkeypatch.context() as broken:
        broken.setattr(batcher, "choose", lambda *a: 1 / 0)
        end = last(engine, engine.submit(request("shapes")))
    assert isinstance(end, Failed) and "try it again" in end.message
    assert isinstance(last(engine, engine.submit(request("shapes"))), Finished)
    engine.close()


def test_old_finished_runs_are_forgotten(models, monkeypatch):
    from studio.engine import engine as module

    monkeypatch.setattr(module, "KEPT_RUNS", 2)
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    runs = [engine.submit(request("shapes", steps=1)) for _ in range(1)]
    for _ in range(4):
        last(engine, runs[-1])
        runs.append(engine.submit(request("shapes", steps=1)))
    with pytest.raises(NotFound):
        engine.events(runs[0])
    assert isinstance(last(engine, runs[-2]), Finished)
    engine.close()


def test_events_of_finished_runs_stay_within_their_bytes(models, monkeypatch):
    from studio.engine import engine as module

    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    first = engine.submit(request("shapes", steps=1))
    last(engine, first)
    second = engine.submit(request("shapes", steps=1))
    last(engine, second)
    engine.submit(request("shapes", steps=1))
    with pytest.raises(NotFound):
        engine.frame(first, 0, "x0")
    assert isinstance(last(engine, second), Finished)
    engine.close()


def test_the_engine_warms_its_default_checkpoint_when_asked(models):
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=True)
    engine.known("shapes", "red disc")  # answered after the warming
    assert {info.id for info in engine.catalog() if info.loaded} == {"random", "shapes"}
    assert engine.status() == "ready"
    engine.close()


def test_sizes_that_a_state_cannot_have_are_refused(engine, monkeypatch):
    from dataclasses import replace

    entry = engine._catalog.entries["random"]
    monkeypatch.setitem(engine._catalog.entries, "random", replace(entry, size=128))
    with pytest.raises(BadRequest, match="multiples of 16"):
        engine.submit(request(width=136, height=128))


def test_the_engine_has_every_verb_of_the_contract_with_its_arguments():
    import inspect

    from studio.contract import Engine

    verbs = [name for name in vars(Engine) if not name.startswith("_")]
    assert "submit" in verbs
    for name in verbs:
        wanted = inspect.signature(getattr(Engine, name)).parameters
        found = inspect.signature(getattr(LocalEngine, name)).parameters
        assert list(found) == list(wanted), name
        assert [p.default for p in found.values()] == [p.default for p in wanted.values()], name


def test_a_run_that_has_not_begun_has_no_frames(models):
    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    run = engine.submit(request("shapes", steps=1000))
    engine.cancel(run)
    last(engine, run)
    with pytest.raises(NotFound):
        engine.frame(run, 0, "x0")
    engine.close()


@pytest.mark.parametrize("model", ["shapes", "random"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_finishes_on_every_family(engine, sampler, model):
    for steps in (1, 6):
        run = engine.submit(request(model, sampler=sampler, steps=steps), View(preview="off"))
        done = last(engine, run)
        assert isinstance(done, Finished), done
        assert done.steps_recorded == steps == len(engine.levels(run))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 40])
def test_every_spacing_runs_or_says_why_not(engine, spacing, steps):
    asked = request("shapes", spacing=spacing, steps=steps)
    done = last(engine, engine.submit(asked, View(preview="off")))
    if isinstance(done, Failed):
        assert "steps" in done.message and "This run failed" not in done.message
    else:
        assert isinstance(done, Finished)


def test_numbers_that_run_out_of_range_end_the_run_in_words(engine, monkeypatch):
    original = ExactIcons.predict
    monkeypatch.setattr(ExactIcons, "predict", lambda *a: original(*a) * float("inf"))
    end = last(engine, engine.submit(request("shapes")))
    assert isinstance(end, Failed) and "out of range" in end.message
