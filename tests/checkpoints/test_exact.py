import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.load import load
from studio.diffusion.mixture import ideal_x0
from studio.errors import BadCheckpoint
from tests.engine.tiny import shape_picture


def opened(models):
    catalog = scan(models)
    return load(catalog["shapes"], "cpu", lambda doing, share: None, catalog.entries)


def edit(models, **fields):
    file = models / "shapes" / "exact.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


@pytest.fixture(scope="module")
def shapes(made):
    return opened(made)


def test_the_pictures_are_read_tile_by_tile(shapes):
    assert shapes.captions[5] == "green square in flat style"
    expected = torch.from_numpy(shape_picture("green", "square", 32)).permute(2, 0, 1)
    found = (shapes.flat[5].reshape(3, 32, 32) + 1) * 127.5
    assert torch.allclose(found, expected.float(), atol=1e-3)


def test_the_empty_prompt_weighs_all_pictures_alike(shapes):
    assert shapes.encode(Asked(" "))["log_weights"].unique().numel() == 1


def test_a_prompt_weighs_the_nearest_captions(shapes):
    weights = shapes.encode(Asked("blue cross"))["log_weights"].exp()
    assert weights.argmax() == shapes.names.index("blue cross")
    assert weights.sum() == pytest.approx(1) and int((weights > 0).sum()) == 8


@pytest.mark.parametrize("t", [[999.0, 500.0, 0.0], [300.0, 300.0, 10.0]])
def test_the_answer_is_the_ideal_denoisers(shapes, t):
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    conditions = stack([shapes.encode(Asked(p)) for p in ("red disc", "", "blue bar")])
    levels = [shapes.path.level(time) for time in t]
    expected = ideal_x0(
        x,
        torch.tensor([lv.alpha for lv in levels]),
        torch.tensor([lv.sigma for lv in levels]),
        shapes.flat.reshape(-1, 3, 32, 32).double(),
        conditions["log_weights"].double(),
    )
    assert torch.allclose(shapes.predict(x, t, conditions), expected, atol=2e-5)


def test_a_shift_multiplies_the_noise(models, shapes):
    scheduler = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000, "shift": 4.0}
    edit(models, scheduler=scheduler)
    for t in (1.0, 400.0, 900.0):
        shifted, plain = opened(models).path.level(t), shapes.path.level(t)
        assert shifted.sigma_k == pytest.approx(4 * plain.sigma_k)


def test_without_a_text_encoder_captions_are_compared_by_words_and_a_note_says_so(shapes):
    assert shapes.encoder is None
    assert shapes.nearest("red disc")[0] == ("red disc", pytest.approx(0.8))
    assert any("compared by their words" in note for note in shapes.notes("red disc"))
    assert shapes.notes("") == ()


def test_with_a_text_encoder_captions_are_compared_by_cosine(models):
    edit(models, text_encoder="random")
    encoder_only = scan(models)["random"]
    from studio.checkpoints.text import TextEncoder

    encoder = TextEncoder(encoder_only.folder)
    said = json.loads((models / "shapes" / "exact.json").read_text())
    names = [picture["caption"] for picture in said["pictures"]]
    rows = torch.stack([encoder.embedding(name) for name in names])
    save_file({"embeddings": rows.half()}, models / "shapes" / "captions.safetensors")
    shapes = opened(models)
    name, cosine = shapes.nearest(names[3])[0]
    assert name == "red cross" and cosine == pytest.approx(1, abs=1e-3)
    assert shapes.notes(names[3]) == ()


def test_nothing_like_it_is_said_with_the_nearest(shapes):
    assert not shapes.known("quantum")
    assert "Nothing like “quantum”" in shapes.notes("quantum")[-1]


@pytest.mark.parametrize("sheets", [["../pictures-0.png"], ["none.png"], ["exact.json"]])
def test_a_sheet_cannot_lie_elsewhere(models, sheets):
    edit(models, sheets=sheets)
    with pytest.raises(BadCheckpoint, match="sheet"):
        opened(models)


def test_fewer_pictures_than_captions_are_refused(models):
    Image.fromarray(np.zeros((32, 64, 3), np.uint8)).save(models / "shapes" / "pictures-0.png")
    with pytest.raises(BadCheckpoint, match="2 pictures for 12 captions"):
        opened(models)


def test_embeddings_that_do_not_fit_are_refused(models):
    edit(models, text_encoder="random")
    save_file({"embeddings": torch.zeros(3, 16)}, models / "shapes" / "captions.safetensors")
    with pytest.raises(BadCheckpoint, match="does not fit"):
        opened(models)
