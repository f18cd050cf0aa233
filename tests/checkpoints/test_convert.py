"""A converted checkpoint holds the same weights, and plain diffusers opens it."""

import math

import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from safetensors.torch import load_file, save_file

from studio.checkpoints.catalog import only, scan
from studio.checkpoints.convert import convert
from studio.checkpoints.folder import Folder
from studio.checkpoints.load import load
from studio.checkpoints.single import SingleFile
from studio.errors import BadCheckpoint
from tests.checkpoints import small
from tests.checkpoints.ldm_writer import write_ldm
from tests.checkpoints.small_sd import sd1_folder, sdxl_folder
from tests.checkpoints.test_dit import authors_weights

SPEC = {"modelspec.resolution": "64x64", "modelspec.title": "One file", "modelspec.license": "mit"}
KINDS = {
    "sd1": lambda folder: sd1_folder(folder, whole=True),
    "sdxl": lambda folder: sdxl_folder(folder, whole=True),
    "refiner": lambda folder: sdxl_folder(folder, refiner=True, whole=True),
}


def alike(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_becomes_a_folder_with_its_weights(tmp_path, kind):
    file = tmp_path / f"{kind}.safetensors"
    write_ldm(KINDS[kind](tmp_path / "made"), file, kind, SPEC)
    entry = convert(file, tmp_path / "out", lambda doing: None)
    before = only(file)[kind]
    assert (entry.family, entry.latent, entry.prediction) == (
        before.family, before.latent, before.prediction)  # fmt: skip
    assert (entry.title, entry.licence) == ("One file", "mit")
    one, folder = SingleFile(before, "cpu"), Folder(entry, "cpu")
    for part, network in (("unet", UNet2DConditionModel), ("vae", AutoencoderKL)):
        assert alike(one.network(part, network), folder.network(part, network))
    suffix = "" if kind == "sd1" else "_2"
    texts = one.text(suffix), folder.text(suffix)
    assert alike(*(text.model for text in texts))
    assert torch.equal(*(text.hidden("a red disc") for text in texts))
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "out", local_files_only=True)
    assert type(pipeline).__name__.startswith("StableDiffusion")


def official(folder, published=True):
    """The authors' layout; its table of positions is the published one, or drawn."""
    folder.mkdir()
    held = authors_weights()
    if published:
        count, width = held["pos_embed"].shape[1:]
        side = math.isqrt(count)
        table = get_2d_sincos_pos_embed(width, side, base_size=side, output_type="pt")
        held["pos_embed"] = table.float()[None]
    save_file(held, folder / "DiT-tiny.safetensors")
    small.vae().save_pretrained(folder / "vae")
    return folder


def test_positions_that_the_library_would_not_compute_are_not_lost_in_silence(tmp_path):
    source = official(tmp_path / "official", published=False)
    with pytest.raises(BadCheckpoint, match="positions of its own"):
        convert(source, tmp_path / "out", lambda doing: None)
    assert not (tmp_path / "out").exists()


def test_the_authors_dit_becomes_a_folder_with_its_answers(tmp_path):
    source = official(tmp_path / "official")
    convert(source, tmp_path / "converted", lambda doing: None)
    catalog = scan(tmp_path)
    one, other = (
        load(catalog[id], "cpu", lambda doing, share: None, {}) for id in ("official", "converted")
    )
    x, y = torch.randn(2, *one.entry.latent), torch.tensor([1, 2])
    answers = [c.predict(x, [900.0, 31.0], {"label": y}) for c in (one, other)]
    assert torch.equal(*answers)
    assert other.entry.options == one.entry.options


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    source = official(tmp_path / "official")

    def full(doing):
        raise OSError(28, "No space left on device")

    with pytest.raises(BadCheckpoint, match="No space left"):
        convert(source, tmp_path / "out", full)
    assert [path.name for path in tmp_path.iterdir()] == ["official"]


@pytest.mark.parametrize("error", [KeyError("blocks.9"), RuntimeError("no such view")])
def test_what_the_library_makes_of_a_file_is_said_in_words(tmp_path, error):
    source = official(tmp_path / "official")

    def odd(doing):
        raise error

    with pytest.raises(BadCheckpoint, match=r"official does not load: .*(blocks\.9|no such view)"):
        convert(source, tmp_path / "out", odd)
    assert [path.name for path in tmp_path.iterdir()] == ["official"]


def test_an_authors_dit_without_a_tensor_is_refused_in_words(tmp_path):
    source = official(tmp_path / "official")
    held = load_file(source / "DiT-tiny.safetensors")
    del held["final_layer.linear.bias"]
    save_file(held, source / "DiT-tiny.safetensors")
    with pytest.raises(BadCheckpoint, match="lack 1 tensors"):
        convert(source, tmp_path / "out", lambda doing: None)
