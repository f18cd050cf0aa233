"""The evaluation's command on random checkpoints and a few pictures."""

import json

import pytest

from studio.__main__ import main
from tests.engine.tiny import control_folder, sd_folder
from tests.training.conftest import icons, packed, world

__all__ = ["icons", "packed", "world"]
BARS = ("retrieval_at_1", "retrieval_at_5", "synonyms_at_5", "frechet", "kid", "edge_f1",
        "autoencoder_psnr", "autoencoder_ssim", "seconds_per_picture", "near_copies")  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sd_folder(folder / "small")
    control_folder(folder / "lines", folder / "small", 1, kind="canny", preprocessor="canny",
                   base="small")  # fmt: skip
    card = "before\n<!-- evaluation -->\nold\n<!-- end of the evaluation -->\nafter\n"
    (folder / "small" / "README.md").write_text(card)
    return folder


@pytest.fixture(scope="module")
def evaluate(models, packed, tmp_path_factory):
    """Run the command to a JSON file; what is in it."""
    cache = tmp_path_factory.mktemp("cache")

    def call(model: str, out) -> dict:
        words = ["--model", model, "--models", models, "--data", packed, "--cache", cache, "--out"]
        more = ["--limit", 2, "--steps", 2, "--threads", 1, "--json"]
        assert main(["eval", *map(str, [*words, out, *more])]) == 0
        return json.loads(out.read_text())

    return call


@pytest.fixture(scope="module")
def measured(evaluate, models):
    return evaluate("small", models / "small" / "eval.json")


@pytest.fixture(scope="module")
def steered(evaluate, models, tmp_path_factory):
    return evaluate("lines", tmp_path_factory.mktemp("out") / "control.json")


def test_every_bar_has_a_value_within_its_interval_or_a_reason(measured, steered):
    for found in (measured, steered):
        for name in BARS:
            said = found[name]
            if said["value"] is None:
                assert said["why"]
            else:
                assert said["low"] <= said["value"] <= said["high"] and said["n"] > 0


def test_what_needs_no_crowd_is_measured_and_what_does_is_not(measured):
    assert {name for name in BARS if measured[name]["value"] is None} == {
        "frechet", "kid", "edge_f1",
    }  # fmt: skip
    assert measured["retrieval_at_1"]["n"] == 2
    assert measured["autoencoder_psnr"]["value"] < 20  # its weights are random
    assert measured["seconds_per_picture"]["value"] > 0


def test_it_says_what_was_used(measured):
    used = measured["used"]
    assert used["steps"] == 2 and used["seed"] == 0 and used["threads"] == 1
    assert used["features"].startswith("own features")
    assert used["taught"] == {"concepts": 6, "of": 6, "share": 1.0}


def test_the_card_gets_the_table_and_keeps_its_words(measured, models):
    card = (models / "small" / "README.md").read_text()
    assert card.startswith("before\n") and card.endswith("after\n") and "old" not in card
    assert f"| {measured['autoencoder_psnr']['value']:.3g} dB |" in card


def test_a_control_is_told_by_its_lines_with_and_without_it(steered):
    said = steered["edge_f1"]
    assert steered["model"] == "lines" and steered["used"]["base"] == "small"
    assert said["above"] == pytest.approx(said["value"] - said["without"], abs=1e-4)
    assert said["of_the_pictures_themselves"] > 0.9
    assert steered["synonyms_at_5"]["why"] == "that is small's"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "nobody"], "no checkpoint"),
        (["--limit", "1", "--model", "small"], "2 pictures or more"),
        ([], "--model"),
    ],
)
def test_bad_input_gets_a_sentence(words, said, models, packed, capsys):
    options = ["--models", str(models), "--data", str(packed)]
    assert main(["eval", *words, *options]) == 2
    assert said in capsys.readouterr().err
