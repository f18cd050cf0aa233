"""Loading, unloading, checking and counting checkpoints through the engine."""

import json
import shutil
import threading

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.contract import Cancelled, Finished
from studio.engine import residents as residents_module
from studio.engine.engine import LocalEngine
from studio.errors import BadCheckpoint, BadRequest, Busy, NotFound, OutOfMemory
from studio.holding import Checked, Loaded, Reading
from studio.settings import Settings
from tests.engine.watching import finish, request


def settings(models, **more):
    return Settings(models=models, more_models=models / "none", threads=1, **more)


@pytest.fixture
def own(models, tmp_path):
    """An engine of the test's own, on a copy of the models."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    engine = LocalEngine(settings(folder)).start(warm=False)
    engine.folder = folder
    yield engine
    engine.close()


@pytest.fixture
def slow(monkeypatch):
    """Loads that say so, wait for the test, and count."""

    class Slow:
        begun, go, times = threading.Event(), threading.Event(), 0

    original = residents_module.load

    def load(entry, device, progress, others):
        Slow.times += 1
        Slow.begun.set()
        for k in range(600):
            progress("reading slowly", k / 600)
            if Slow.go.wait(0.05):
                break
        return original(entry, device, progress, others)

    monkeypatch.setattr(residents_module, "load", load)
    yield Slow
    Slow.go.set()


def test_a_load_tells_how_far_it_is_and_ends_with_what_it_holds(own):
    told = list(own.holdings.load("random"))
    assert all(isinstance(t, Reading) for t in told[:-1]) and len(told) > 2
    done = [t.done for t in told[:-1]]
    assert done == sorted(done) and done[-1] <= told[0].total
    assert told[0].total == own.holdings.details("random").bytes
    last = told[-1]
    assert isinstance(last, Loaded) and last.bytes > 0 and last.seconds > 0
    assert own.holdings.details("random").loaded
    assert own.holdings.details("random").load_seconds == last.seconds
    assert [held.id for held in own.holdings.memory().held] == ["random"]


def test_what_is_here_is_not_loaded_again(own):
    list(own.holdings.load("random"))
    assert list(own.holdings.load("random"))[-1].seconds == 0


def test_two_visitors_who_ask_for_the_same_checkpoint_load_it_once(own, slow):
    first, second = own.holdings.load("random"), own.holdings.load("random")
    run = own.submit(request("random"))
    told = [next(first), next(second)]
    assert all(isinstance(t, Reading) for t in told)
    slow.go.set()
    assert isinstance(list(first)[-1], Loaded) and isinstance(list(second)[-1], Loaded)
    assert isinstance(list(own.events(run, timeout=60))[-1], Finished)
    assert slow.times == 1


def test_a_load_goes_on_while_somebody_waits_for_it(own, slow):
    first, second = own.holdings.load("random"), own.holdings.load("random")
    next(first)
    first.close()
    slow.go.set()
    assert isinstance(list(second)[-1], Loaded)
    assert slow.times == 1


def test_a_load_that_nobody_waits_for_is_given_up(own, slow):
    loading = own.holdings.load("random")
    next(loading)
    loading.close()
    assert own.holdings.memory().held == ()
    slow.go.set()
    assert finish(own, request("random")).pictures and slow.times == 2


def test_a_cancelled_run_gives_its_load_up(own, slow):
    run = own.submit(request("random"))
    assert slow.begun.wait(60)
    own.cancel(run)
    assert isinstance(list(own.events(run, timeout=60))[-1], Cancelled)
    assert not own.holdings.details("random").loaded
    slow.go.set()
    assert finish(own, request("random")).pictures


def test_a_load_that_fails_leaves_the_one_before_working(own):
    before = finish(own, request("shapes"))
    weights = own.folder / "random" / "unet" / "diffusion_pytorch_model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-100])
    with pytest.raises(BadCheckpoint, match="cut short"):
        list(own.holdings.load("random"))
    assert finish(own, request("shapes")).pixels_sha256 == before.pixels_sha256
    weights.write_bytes(data)
    own.holdings.rescan()
    assert isinstance(list(own.holdings.load("random"))[-1], Loaded)


def test_a_load_without_memory_leaves_the_one_before_working(own, monkeypatch):
    before = finish(own, request("shapes"))

    def load(*_):
        raise OutOfMemory("The device had no room for random; unload another checkpoint first.")

    with monkeypatch.context() as patch:
        patch.setattr(residents_module, "load", load)
        with pytest.raises(OutOfMemory):
            list(own.holdings.load("random"))
    assert finish(own, request("shapes")).pixels_sha256 == before.pixels_sha256
    assert finish(own, request("random")).pictures


def test_what_does_not_fit_is_said_before_anything_is_read(own, monkeypatch):
    monkeypatch.setattr("studio.engine.machine.room", lambda place: (1000, 2000))
    read = []
    monkeypatch.setattr(residents_module, "load", lambda *_: read.append(1))
    fit = own.holdings.fit("random")
    assert fit.plan == "none" and fit.weights > 1000
    with pytest.raises(OutOfMemory, match=r"needs .* of weights in float32 .* are free"):
        list(own.holdings.load("random"))
    assert read == []


def test_an_unloaded_checkpoint_is_gone_and_comes_back(own):
    finish(own, request("shapes"))
    own.holdings.unload("shapes")
    assert own.holdings.memory().held == ()
    own.holdings.unload("shapes")
    assert finish(own, request("shapes")).pictures


def test_a_checkpoint_in_use_is_not_unloaded(own, gate):
    run = own.submit(request("shapes"))
    assert gate.reached.wait(60)
    threading.Timer(0.3, gate.opened.set).start()
    with pytest.raises(Busy, match="in use by 1 of the runs"):
        own.holdings.unload("shapes")
    assert isinstance(list(own.events(run, timeout=60))[-1], Finished)


def test_a_budget_lets_the_one_used_longest_ago_go(models):
    engine = LocalEngine(settings(models, cache_bytes=1)).start(warm=False)
    try:
        list(engine.holdings.load("shapes"))
        assert engine.holdings.fit("random").leaves == ("shapes",)
        list(engine.holdings.load("random"))
        assert [held.id for held in engine.holdings.memory().held] == ["random"]
    finally:
        engine.close()


def test_details_name_every_part_with_its_class_and_dtype(own):
    details = own.holdings.details("random")
    parts = {part.name: part for part in details.components}
    assert parts["unet"].kind == "UNet2DConditionModel" and parts["unet"].dtype == "float32"
    assert parts["tokenizer"].bytes == 0 and parts["scheduler"].kind == "DDIMScheduler"
    assert sum(p.parameters for p in parts.values() if p.name != "preview") == details.parameters
    assert ("prediction_type", "v_prediction") in details.scheduler


def test_a_check_of_a_sound_checkpoint_reads_every_byte_and_finds_nothing(own):
    *told, last = own.holdings.check("random")
    assert isinstance(last, Checked) and last.sound and last.found == () == last.notes
    assert last.bytes > 0.9 * own.holdings.details("random").bytes
    assert {t.component for t in told} >= {"unet", "vae", "text_encoder", "preview"}
    assert not own.holdings.details("random").loaded


def harm(folder, part, change):
    file = next((folder / "random" / part).glob("*.safetensors"))
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})


def test_a_check_names_the_tensor_that_is_not_a_number(own):
    def change(tensors):
        tensors["conv_in.weight"].view(-1)[3] = torch.nan

    harm(own.folder, "unet", change)
    *_, last = own.holdings.check("random")
    assert last.found == ("random/unet: conv_in.weight holds NaN or infinity.",)


def test_a_check_says_what_is_missing_and_what_does_not_fit(own):
    def change(tensors):
        del tensors["conv_in.bias"]
        tensors["conv_out.bias"] = torch.zeros(5)
        tensors["more"] = torch.zeros(5)

    harm(own.folder, "unet", change)
    *_, last = own.holdings.check("random")
    assert "has shape 5, and its configuration says 4" in last.found[0]
    assert "random/unet lacks 1 of its" in last.found[1] and "conv_in.bias" in last.found[1]
    assert "the first of them more" in last.notes[0] and not last.sound


def test_a_refused_folder_is_checked_in_words(own):
    index = own.folder / "random" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"unet": ["os", "system"]}))
    own.holdings.rescan()
    (checked,) = own.holdings.check("random")
    assert not checked.sound and "'os.system'" in checked.found[0]
    assert [refused.id for refused in own.holdings.refused()] == ["random"]


def test_a_check_that_is_closed_is_given_up(own):
    checking = own.holdings.check("random")
    next(checking)
    checking.close()
    assert own.holdings.memory().held == ()


@pytest.mark.parametrize("verb", ["details", "load", "unload", "check", "fit"])
def test_what_is_not_there_is_not_found(own, verb):
    with pytest.raises(NotFound):
        getattr(own.holdings, verb)("nobody")


def test_the_hub_is_not_asked_unless_it_is_allowed(own):
    with pytest.raises(BadRequest, match="--allow-hub"):
        own.holdings.offer("owner/name")


def test_memory_names_the_device_and_what_was_measured(own):
    memory = own.holdings.memory()
    assert memory.device == "cpu" and dict(memory.probe)["float32"] > 0
    assert 0 < memory.rss < memory.total and memory.free < memory.total


def test_a_new_folder_is_found_by_looking_again(own, models):
    shutil.copytree(models / "shapes", own.folder / "again")
    assert own.holdings.rescan() == 3
    assert finish(own, request("again")).pictures
    shutil.rmtree(own.folder / "again")
    assert own.holdings.rescan() == 2
    assert "again" not in [held.id for held in own.holdings.memory().held]

