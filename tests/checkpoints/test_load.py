import json
import random

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.checkpoints import headers
from studio.checkpoints.catalog import scan
from studio.checkpoints.load import FAMILIES, load, reason
from studio.errors import BadCheckpoint


def opened(models, id):
    catalog = scan(models)
    return load(catalog[id], "cpu", lambda doing, share: None, catalog.entries)


def edit(file, **fields):
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


@pytest.mark.parametrize("id", ["shapes", "random"])
def test_both_families_load(models, id):
    checkpoint = opened(models, id)
    assert checkpoint.entry.family in FAMILIES and checkpoint.bytes > 0


def test_weights_that_do_not_fit_their_configuration_are_refused(models):
    edit(models / "random" / "unet" / "config.json", block_out_channels=[16, 48])
    with pytest.raises(BadCheckpoint, match=r"random/unet: .* has shape 32, and its"):
        opened(models, "random")


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("exact.json", {"scheduler": {"beta_schedule": "nonsense"}}),
        ("exact.json", {"scheduler": {"shift": "wide"}}),
        ("exact.json", {"tiles_per_sheet": None}),
        ("exact.json", {"scheduler": 3}),
    ],
)
def test_configurations_that_make_no_sense_are_refused_in_words(models, file, fields):
    edit(models / "shapes" / file, **fields)
    with pytest.raises(BadCheckpoint) as error:
        opened(models, "shapes")
    assert str(models) not in str(error.value)


def test_a_tokenizer_without_a_vocabulary_is_refused(models):
    (models / "random" / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(BadCheckpoint, match="without a vocabulary"):
        opened(models, "random")


@pytest.mark.parametrize("said", ["{", "{}", "3", "[1]", '[""]', f'["{"a" * 300}"]', "[" * 9000])
def test_concepts_that_are_no_list_of_names_are_refused(models, said):
    (models / "random" / "concepts.json").write_text(said)
    with pytest.raises(BadCheckpoint, match=r"random/concepts\.json"):
        opened(models, "random")


def test_a_text_encoder_with_nan_is_refused(models):
    file = models / "random" / "text_encoder" / "model.safetensors"
    tensors = load_file(file)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(BadCheckpoint, match=r"random/text_encoder: embeddings\..* holds NaN"):
        opened(models, "random")


def test_captions_with_nan_are_refused(models):
    edit(models / "shapes" / "exact.json", text_encoder="random")
    save_file({"rows": torch.full((12, 16), float("nan"))}, models / "shapes/captions.safetensors")
    with pytest.raises(BadCheckpoint, match=r"shapes/captions\.safetensors holds NaN"):
        opened(models, "shapes")


def test_a_reason_names_no_path(tmp_path):
    said = "no file at '/srv/a/model.bin' nor C:\\models\\b.bin, or/and a/b"
    assert reason(OSError(said), tmp_path) == "no file at 'model.bin' nor b.bin, or/and a/b"


def test_a_reason_is_one_line_without_the_folder(tmp_path):
    assert reason(OSError(f"no {tmp_path}/a.json.\nmore"), tmp_path) == f"no {tmp_path.name}/a.json"


def test_a_thousand_damaged_files_are_refused_or_read_and_nothing_else(models, tmp_path):
    sound = (models / "random" / "preview" / "diffusion_pytorch_model.safetensors").read_bytes()
    draw = random.Random(0)
    file = tmp_path / "model.safetensors"
    for _ in range(1000):
        data = bytearray(sound[: draw.choice([12, 200, 5000, len(sound)])])
        for _ in range(draw.randrange(1, 30)):
            data[draw.randrange(min(len(data), 3000))] = draw.randrange(256)
        file.write_bytes(data)
        try:
            headers.read(file)
        except BadCheckpoint as error:
            assert "not a sound safetensors file" in str(error)
