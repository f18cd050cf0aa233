"""Whether a control fits a base, off configurations alone: nothing here has weights."""

import json
from pathlib import Path

import pytest

from studio.checkpoints.controlled import FAMILY_NAMES, ControlEntry, check_fit
from studio.checkpoints.entry import Entry
from studio.checkpoints.load import FAMILIES
from studio.errors import BadRequest
from studio.ui import words

UNET = {  # as a whole file's header says version 1's
    "in_channels": 4,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
    "cross_attention_dim": 768,
}
LINES = {"_class_name": "ControlNetModel", **UNET}
FEATURES = {"_class_name": "T2IAdapter", "channels": [320, 640, 1280, 1280]}


def base(folder: Path, family: str = "sd", **options) -> Entry:
    return Entry(
        id="base", folder=folder, family=family, title="Base", knows="", size=512,
        latent=(4, 64, 64), parameters=0, bytes=0, licence="", prediction="epsilon",
        options=options,
    )  # fmt: skip


def control(config: dict, **said) -> ControlEntry:
    return ControlEntry(
        id="lines", folder=Path("lines"), family="sd", title="Lines", parameters=0, bytes=0,
        licence="", card="", config=config, **said,
    )  # fmt: skip


@pytest.fixture(params=["file", "folder"])
def one(request, tmp_path):
    """Version 1 as one file and as a folder."""
    if request.param == "file":
        return base(tmp_path / "one.safetensors", single={"unet": UNET})
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text(json.dumps(UNET))
    return base(tmp_path)


@pytest.mark.parametrize("extra", ["1", [1], 1.5, {"a": 1}])
def test_channels_that_are_no_number_are_refused_in_words(one, extra):
    with pytest.raises(BadRequest, match="wants a picture of"):
        check_fit(control(LINES | {"extra_conditioning_channels": extra}), one)


@pytest.mark.parametrize("config", [LINES, FEATURES], ids=["net", "adapter"])
def test_a_control_of_the_same_widths_fits(one, config):
    check_fit(control(config), one)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (LINES | {"cross_attention_dim": 1024}, "cross attention dim"),
        (LINES | {"block_out_channels": [320, 640]}, "block out channels"),
        (FEATURES | {"channels": [64, 128, 128, 128]}, "block out channels"),
    ],
    ids=["version 2's words", "fewer blocks", "another adapter's widths"],
)
def test_a_control_of_other_widths_is_refused(one, config, field):
    with pytest.raises(BadRequest, match=f"their {field} differ"):
        check_fit(control(config), one)


def test_one_file_is_not_said_to_hold_other_weights(tmp_path):
    """Its weights have other names than a folder's, so that their hashes cannot be compared."""
    only = control(LINES, base="icons", base_sha256="0" * 64)
    check_fit(only, base(tmp_path / "one.safetensors", single={"unet": UNET}))
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/config.json").write_text(json.dumps(UNET))
    with pytest.raises(BadRequest, match="with other weights than Base has"):
        check_fit(only, base(tmp_path))


def test_every_family_has_a_name_and_says_whether_a_control_could_fit(tmp_path):
    assert set(FAMILY_NAMES) == set(FAMILIES)
    said = {}
    for family in set(FAMILIES) - {"sd"}:
        with pytest.raises(BadRequest) as refused:
            check_fit(control(LINES), base(tmp_path, family))
        said[family] = str(refused.value)
        assert words.from_sentence(said[family])["key"].startswith("err_ctl_")
    assert said["flux"].endswith("Base is FLUX; choose a control of its family.")
    for family in ("pixart", "dit", "pixel", "exact"):
        named = f"no control fits Base ({FAMILY_NAMES[family]}); choose another checkpoint."
        assert said[family].endswith(named)
