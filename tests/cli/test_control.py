import json

import numpy as np
import pytest
from PIL import Image

from studio.__main__ import main
from studio.cli.control import fitting
from studio.controls import ControlInfo
from studio.errors import NotFound
from studio.imaging.preprocessors import PREPROCESSORS
from studio.store.files import read_recipe
from tests.checkpoints.small_prompt import SIDE, prompt_folder
from tests.engine.tiny import control_folder, sd_folder, shape_picture


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    sd_folder(folder / "random", "epsilon")
    control_folder(folder / "lines", folder / "random", 5, base="random", preprocessor="canny")
    prompt_folder(folder / "a-look", folder / "random")
    return folder


def call(capsys, models, *options):
    words = ["--models", models, "--threads", 1, "--steps", 4, "--json", *options]
    status = main(["control", *map(str, words)])
    return status, capsys.readouterr()


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(shape_picture("red", "disc", 64)).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def test_the_picture_the_hint_and_the_residuals_come_out(capsys, models, picture, tmp_path):
    out, hint, bare = (tmp_path / f"{name}.png" for name in ("out", "hint", "bare"))
    status, printed = call(capsys, models, "--image", picture, "--prompt", "red disc", "--seed", 3,
                           "--setting", "blur=0", "--start", 0.5,
                           "--out", out, "--hint", hint, "--without", bare)  # fmt: skip
    assert status == 0, printed.err
    said = json.loads(printed.out)
    (control,) = said["recipe"]["controls"]
    assert control["model"] == "lines" and control["preprocess"] == "canny"
    assert [len(norms) for norms in said["residual_rms"]] == [0, 0, 5, 5]
    assert min(said["residual_rms"][3]) > 0
    expected = PREPROCESSORS["canny"](shape_picture("red", "disc", 64), blur=0)
    assert np.array_equal(np.asarray(Image.open(hint)), expected)
    assert (np.asarray(Image.open(out)) != np.asarray(Image.open(bare))).any()
    assert json.loads(read_recipe(bare))["controls"] == []


def test_a_picture_can_be_the_prompt(capsys, models, picture, tmp_path):
    out, hint = tmp_path / "out.png", tmp_path / "hint.png"
    status, printed = call(capsys, models, "--image", picture, "--control", "a-look",
                           "--scale", 0.6, "--out", out, "--hint", hint)  # fmt: skip
    assert status == 0, printed.err
    said = json.loads(printed.out)
    assert [len(norms) for norms in said["residual_rms"]] == [4] * 4  # one each cross-attention
    (control,) = json.loads(read_recipe(out))["controls"]
    assert (control["model"], control["preprocess"], control["scale"]) == ("a-look", "none", 0.6)
    assert Image.open(hint).size == (SIDE, SIDE)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--control", "nowhere"], "no control"),
        (["--scale", 7], "control's scale must be between 0 and 2"),
        (["--setting", "low"], "NAME=NUMBER"),
        (["--setting", "lower=3"], "has no setting"),
        (["--setting", "low=-3"], "must be between"),
        (["--preprocess", "magic"], "no preprocessor"),
        (["--control", "a-look", "--guess"], "has no guess mode"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_in_a_sentence(capsys, models, picture, options, sentence):
    status, printed = call(capsys, models, "--image", picture, *options)
    assert status == 2 and sentence in printed.err and printed.out == ""


def test_a_picture_that_is_none_is_refused(capsys, models, tmp_path):
    (tmp_path / "in.png").write_bytes(b"GIF89a")
    status, printed = call(capsys, models, "--image", tmp_path / "in.png")
    assert status == 2 and "not a PNG" in printed.err


class Steered:
    """A prompt and two controls for any base, the first of which fits none but `wide`."""

    def controls(self):
        said = {"family": "sd", "preprocessor": "canny", "settings": (), "base": ""}
        more = {"parameters": 0, "bytes": 0, "licence": ""}
        look = ControlInfo("a-look", "a-look", **said | {"preprocessor": ""}, **more, whole=True)
        return look, *(ControlInfo(id, id, **said, **more) for id in ("broad", "narrow"))

    def fits(self, control, model):
        fitting = {("broad", "wide"), ("narrow", "small"), ("a-look", "wide"), ("a-look", "bare")}
        return "" if (control, model) in fitting else "Misfit."


def test_the_control_that_is_taken_by_itself_fits():
    assert fitting(Steered(), "wide", "canny").id == "broad"
    assert fitting(Steered(), "wide", None).id == "broad"  # lines before prompts
    assert fitting(Steered(), "bare", None).id == "a-look"
    assert fitting(Steered(), "small", "canny").id == "narrow"
    with pytest.raises(NotFound, match="no control for other"):
        fitting(Steered(), "other", None)
