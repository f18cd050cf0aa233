"""`python -m studio models`: lists, shows, checks; what it refuses it says, with exit status 2."""

import json
import shutil

import pytest

from studio.__main__ import main
from tests.engine.tiny import exact_folder, sd_folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    exact_folder(folder / "shapes")
    sd_folder(folder / "random")
    return folder


@pytest.fixture
def models(made, tmp_path, monkeypatch):
    monkeypatch.setenv("XT_MORE_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("XT_HUB_FOLDER", str(tmp_path / "none"))
    return shutil.copytree(made, tmp_path / "models")


@pytest.fixture
def call(models, capsys):
    def run(*words):
        status = main(["models", "--models", str(models), *map(str, words)])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return status, printed.out, printed.err

    return run


@pytest.mark.parametrize("words", [[], ["list"]])
def test_the_checkpoints_are_listed(call, words):
    status, out, _ = call(*words)
    assert status == 0 and [line.split()[0] for line in out.splitlines()] == ["random", "shapes"]


def test_what_is_refused_is_listed_with_its_reason(call, models):
    (models / "old.ckpt").write_bytes(b"\x80")
    _, out, _ = call()
    assert "old                      refused: old.ckpt is pickled" in out


def test_a_checkpoint_is_shown_with_its_parts_and_its_arithmetic(call):
    status, out, _ = call("show", "random")
    assert status == 0 and "v_prediction" in out and "UNet2DConditionModel" in out
    assert "of weights in float32" in out and "Nothing was learned." in out


def test_a_checkpoint_is_shown_as_json_and_loaded_on_request(call):
    _, out, _ = call("--json", "show", "random", "--load")
    said = json.loads(out)
    assert said["loaded"] and said["load_seconds"] > 0 and said["held_bytes"] > 0
    assert said["fit"]["plan"] == "whole" and said["latent"] == [4, 8, 8]


@pytest.mark.parametrize("named", ["random", "shapes"])
def test_a_sound_checkpoint_is_said_to_be(call, models, named):
    assert call("check", named)[:2][0] == 0
    status, out, err = call("check", models / named)
    assert status == 0 and f"{named} is sound" in out and err == ""


def test_a_damaged_one_is_refused_with_its_sentence(call, models):
    file = next((models / "random" / "unet").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-10])
    status, out, err = call("check", models / "random")
    assert status == 2 and out == "" and "cut short" in err and len(err.splitlines()) == 1


def test_a_pickle_is_refused_with_its_sentence(call, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80")
    status, _, err = call("check", tmp_path / "model.ckpt")
    assert status == 2 and "safetensors only" in err


@pytest.mark.parametrize("named", ["nobody", "no/such/folder", "file.safetensors"])
def test_what_is_not_there_is_said_to_be(call, named):
    status, _, err = call("check", named)
    assert status == 2 and "There is no" in err


def test_a_folder_in_diffusers_layout_is_not_converted_again(call, models, tmp_path):
    status, _, err = call("convert", models / "random", "--out", tmp_path / "out")
    assert status == 2 and "already" in err and not (tmp_path / "out").exists()


def test_nothing_is_written_over(call, models):
    status, _, err = call("convert", models / "random", "--out", models / "shapes")
    assert status == 2 and "is here already" in err
