import hashlib
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from studio.__main__ import main
from studio.contract import Request
from studio.store.files import read_recipe
from tests.engine.tiny import exact_folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    exact_folder(folder / "shapes")
    return folder


@pytest.fixture
def generate(models, tmp_path, capsys):
    """Run the command; the line of JSON it printed."""

    def call(*options):
        out = tmp_path / "out.png"
        words = ["--models", models, "--threads", 1, "--out", out, "--json", *options]
        status = main(["generate", *map(str, words)])
        printed = capsys.readouterr()
        assert status == 0, printed.err
        (line,) = printed.out.splitlines()
        return json.loads(line) | {"stderr": printed.err}

    return call


def test_one_line_of_json_describes_the_run(generate):
    said = generate("--prompt", "red disc", "--seed", 3, "--steps", 4)
    assert said["nfe"] == 4 and len(said["step_ms"]) == 4 and said["seconds"] > 0
    assert said["recipe"]["seed"] == 3 and said["recipe"]["width"] == 32
    assert said["stderr"] == ""
    assert Request.from_json(json.dumps(said["recipe"])).prompt == "red disc"


def test_the_hash_is_of_the_pixels_in_the_file(generate):
    said = generate("--prompt", "red disc")
    rgb = np.asarray(Image.open(said["files"][0]).convert("RGB"))
    assert said["pixels_sha256"] == [hashlib.sha256(rgb.tobytes()).hexdigest()]


def test_the_png_carries_the_recipe_and_running_it_gives_the_same_picture(generate, tmp_path):
    first = generate("--prompt", "blue bar", "--seed", 8, "--sampler", "heun", "--steps", 5)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(read_recipe(first["files"][0]))
    again = generate("--recipe", recipe)
    assert again["recipe"] == first["recipe"]
    assert again["pixels_sha256"] == first["pixels_sha256"]
    assert again["xt_sha256"] == first["xt_sha256"]


def test_what_is_not_given_is_the_checkpoints_own_suggestion(generate):
    recipe = generate()["recipe"]
    assert recipe["steps"] == 8 and recipe["guidance"]["scale"] == 1.0


def test_every_field_of_a_request_is_an_option(generate):
    options = (
        "--model shapes --prompt a --negative-prompt b --seed 5 --width 32 --height 32 --count 2 "
        "--sampler ddim --eta 0.5 --spacing karras --steps 3 --guidance-kind cfg --guidance 2.5 "
        "--rescale 0.25 --guided-channels 2 --interval 0.1 0.9 --alone"
    )
    said = {
        "model": "shapes",
        "prompt": "a",
        "negative_prompt": "b",
        "seed": 5,
        "width": 32,
        "height": 32,
        "count": 2,
        "sampler": "ddim",
        "eta": 0.5,
        "spacing": "karras",
        "steps": 3,
        "guidance": {
            "kind": "cfg",
            "scale": 2.5,
            "rescale": 0.25,
            "interval": [0.1, 0.9],
            "channels": 2,
        },
        "alone": True,
        "version": 1,
    }
    recipe = generate(*options.split())["recipe"]
    assert {name: recipe[name] for name in said} == said


def test_several_pictures_are_several_files(generate):
    files = generate("--count", 3, "--steps", 2)["files"]
    assert [file.rsplit("/", 1)[1] for file in files] == ["out.png", "out-1.png", "out-2.png"]


def test_the_recipe_of_each_picture_makes_that_picture_again(generate, tmp_path):
    several = generate("--prompt", "red disc", "--seed", 7, "--count", 3, "--steps", 2)
    for k, file in enumerate(several["files"]):
        found = Request.from_json(read_recipe(file))
        assert (found.seed, found.count) == (7 + k, 1)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(read_recipe(several["files"][2]))
    again = generate("--recipe", recipe)
    assert again["pixels_sha256"] == several["pixels_sha256"][2:]


@pytest.mark.parametrize(("ending", "start"), [(".gif", b"GIF89a"), (".mp4", b"\0\0\0")])
def test_the_run_can_be_recorded_as_a_film(generate, tmp_path, ending, start):
    generate("--steps", 3, "--record", tmp_path / f"run{ending}")
    assert (tmp_path / f"run{ending}").read_bytes().startswith(start)


def test_a_bundle_holds_all_frames_that_it_names(generate, tmp_path):
    generate("--prompt", "red disc", "--steps", 4, "--bundle", tmp_path / "run")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [step["index"] for step in run["steps"]] == [0, 1, 2, 3]
    assert run["model_title"] == "Twelve shapes" and run["nfe"] == 4
    for step in run["steps"]:
        for name in (step["xt"], step["x0"]):
            assert Image.open(tmp_path / "run" / name).size == (32, 32)
    assert Image.open(io.BytesIO((tmp_path / "run" / run["picture"]).read_bytes())).size == (32, 32)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--steps", "0"], "between 1 and 1000"),
        (["--model", "nobody"], "no checkpoint"),
        (["--sampler", "magic"], "no sampler"),
        (["--record", "run.webm"], ".gif or .mp4"),
        (["--out", "out.jpg"], "ends in .png"),
        (["--out", "nowhere/out.png"], "no folder “nowhere”"),
        (["--record", "nowhere/run.gif"], "no folder “nowhere”"),
        (["--bundle", "nowhere/at/all"], "no folder “nowhere/at”"),
        (["--recipe", "nowhere.json"], "cannot be read"),
        (["--guidance", "1e9"], "between 0 and 50"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(models, capsys, options, sentence):
    assert main(["generate", "--models", str(models), *options]) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err and printed.out == "" and "Traceback" not in printed.err


def test_models_lists_the_checkpoints_as_json(models, capsys):
    assert main(["models", "--models", str(models), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (shapes,) = said["checkpoints"]
    assert shapes["id"] == "shapes" and shapes["defaults"]["steps"] == 8 and not shapes["trained"]


def test_models_lists_without_loading_torch(models):
    program = (
        "import sys; from studio.__main__ import main;"
        f"main(['models', '--models', {str(models)!r}]); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def test_a_style_stands_around_the_prompt(generate):
    said = generate("--model", "shapes", "--prompt", "red disc", "--style", "ink", "--steps", "2")
    assert said["recipe"]["prompt"].startswith("red disc, ink")
    assert said["recipe"]["negative_prompt"] == "colour, photo"


def test_the_seed_chooses_and_the_recipe_says_how_it_was_written(generate):
    said = generate("--model", "shapes", "--prompt", "{red|blue} disc", "--steps", "2")["recipe"]
    assert said["prompt"] in ("red disc", "blue disc") and said["template"] == "{red|blue} disc"


def test_adapters_and_an_autoencoder_are_named_by_id(models):
    from argparse import ArgumentParser

    from studio.adapting import Adapter
    from studio.cli.generate import changed, configure_request

    parser = ArgumentParser()
    configure_request(parser)
    args = parser.parse_args(["--adapter", "ink=0.8", "--adapter", "mug", "--vae", "sharp"])
    made = changed(args, Request("m"))
    assert made == Request("m", adapters=(Adapter("ink", 0.8), Adapter("mug")), vae="sharp")


@pytest.mark.parametrize("said", ["ink=much", "ink=9", "=1"])
def test_an_adapter_that_cannot_be_is_refused_in_words(models, said, capsys):
    assert main(["generate", "--models", str(models), "--model", "shapes", "--adapter", said]) != 0
    printed = capsys.readouterr().err
    assert "adapter" in printed.lower() and "Traceback" not in printed
