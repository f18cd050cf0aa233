"""The headless twin of the Noise tab."""

import json

import numpy as np
import pytest
from PIL import Image

from studio.__main__ import main
from tests.engine.tiny import sd_folder, shape_picture


@pytest.fixture
def image(tmp_path):
    file = tmp_path / "in.png"
    Image.fromarray(shape_picture("blue", "cross", 40)).save(file)
    return file


def line(capsys):
    return json.loads(capsys.readouterr().out)


def test_it_prints_a_row_for_each_t_and_writes_the_strip(image, tmp_path, capsys):
    out = tmp_path / "strip.png"
    command = ["noise", "--image", str(image), "--schedule", "cosine", "--t", "0.1,0.5,0.9"]
    assert main([*command, "--space", "pixel", "--side", "32", "--out", str(out), "--json"]) == 0
    rows = line(capsys)["rows"]
    assert [row["t"] for row in rows] == [0.1, 0.5, 0.9]
    assert all({"alpha_bar", "snr", "logsnr", "kl", "mean", "std"} <= set(row) for row in rows)
    with Image.open(out) as strip:
        assert strip.size == (3 * 32 + 2 * 4, 32)


def test_the_numbers_are_the_cosine_schedules(image, capsys):
    main(["noise", "--image", str(image), "--t", "0.25,0.5,1", "--side", "32", "--json"])

    def bar(k):  # ᾱ after k + 1 of 1000 steps
        return np.cos(((k + 1) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(
            0.008 / 1.008 * np.pi / 2
        ) ** 2

    for row in line(capsys)["rows"][:2]:
        assert row["alpha_bar"] == pytest.approx(bar(999 * row["t"]), rel=1e-4)
        assert row["snr"] == pytest.approx(row["alpha_bar"] / (1 - row["alpha_bar"]), rel=1e-6)
        assert row["logsnr"] == pytest.approx(np.log(row["snr"]), rel=1e-5)


def test_latents_are_noised_and_decoded(image, tmp_path, capsys):
    sd_folder(tmp_path / "models" / "random")
    out = tmp_path / "strip.png"
    command = ["noise", "--image", str(image), "--space", "latent", "--t", "0.5,1", "--json"]
    assert main([*command, "--models", str(tmp_path / "models"), "--out", str(out)]) == 0
    assert line(capsys)["model"] == "random"
    with Image.open(out) as strip:
        assert strip.size == (2 * 64 + 4, 2 * 64 + 4)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--t", "2"],
        ["--t", "half"],
        ["--t", ","],
        ["--schedule", "nope"],
        ["--image", "nowhere.png"],
        ["--T", "1"],
        ["--side", "9"],
        ["--seed", "-1"],
        ["--film", "run.avi"],
        ["--space", "latent", "--model", "nowhere"],
    ],
)
def test_bad_input_gets_a_sentence_and_status_2(image, capsys, wrong):
    assert main(["noise", "--image", str(image), "--side", "32", *wrong]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.strip().endswith(".") and "Traceback" not in said.err


def test_a_text_file_named_png_gets_a_sentence(tmp_path, capsys):
    file = tmp_path / "words.png"
    file.write_text("not a picture")
    assert main(["noise", "--image", str(file)]) == 2
    assert "not a PNG, JPEG or WebP" in capsys.readouterr().err
