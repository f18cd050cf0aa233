"""What `check` finds without loading: the authors' DiT is read as well as its autoencoder."""

import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from studio.checkpoints import budget, describe, official_dit
from studio.checkpoints.catalog import only
from studio.checkpoints.checks import check
from studio.checkpoints.dit_sizes import DITS
from studio.checkpoints.meter import Meter
from studio.checkpoints.place import Place
from tests.checkpoints.ldm_writer import write_ldm
from tests.checkpoints.test_convert import KINDS, SPEC, official


def checked(path):
    """The report about a folder or a file."""
    entry = only(path)[path.stem]
    reading = check(entry, Meter(entry.id, entry.bytes, lambda *told: None, lambda: False))
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return end.value


def test_the_authors_dit_is_a_part_beside_its_autoencoder(tmp_path):
    entry = only(official(tmp_path / "official"))["official"]
    parts = {part.name: part.parameters for part in describe.parts(entry)}
    assert set(parts) == {"transformer", "vae"} and sum(parts.values()) == entry.parameters
    half = budget.need(entry, Place("cuda", "float16"))
    assert half.weights == 4 * entry.parameters  # both are held in float32


def test_nan_in_the_authors_dit_is_found(tmp_path):
    folder = official(tmp_path / "official")
    assert checked(folder).faults == ()
    file = folder / "DiT-tiny.safetensors"
    tensors = load_file(file)
    tensors["blocks.1.attn.proj.weight"][0, 0] = torch.nan
    save_file(tensors, file)
    (fault,) = checked(folder).faults
    assert "blocks.1.attn.proj.weight holds NaN" in fault


def test_every_shape_of_the_authors_dit_is_compared_with_what_its_size_implies(tmp_path):
    folder = official(tmp_path / "official")
    file = folder / "DiT-tiny.safetensors"
    tensors = load_file(file)
    tensors["blocks.1.mlp.fc2.bias"] = torch.zeros(len(tensors["blocks.1.mlp.fc2.bias"]) + 1)
    del tensors["t_embedder.mlp.0.weight"]
    tensors["stray"] = torch.zeros(2)
    save_file(tensors, file)
    report = checked(folder)
    shape, missing = report.faults
    assert "blocks.1.mlp.fc2.bias" in shape and "t_embedder.mlp.0.weight" in missing
    assert any("1 tensors that" in note and "stray" in note for note in report.notes)


@pytest.mark.parametrize("name", ["S/8", "B/4", "XL/2"])
def test_the_authors_shapes_add_up_to_the_published_sizes(name):
    size = DITS[name]
    found = official_dit.shapes(
        {
            "num_attention_heads": size.heads,
            "attention_head_dim": size.width // size.heads,
            "in_channels": 4,
            "out_channels": 8,
            "num_layers": size.depth,
            "sample_size": 32,
            "patch_size": size.patch,
            "num_embeds_ada_norm": 1000,
        }
    )
    assert sum(math.prod(shape) for shape in found.values()) == size.parameters


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_file_is_compared_with_its_networks(tmp_path, kind):
    file = tmp_path / f"{kind}.safetensors"
    write_ldm(KINDS[kind](tmp_path / "made"), file, kind, SPEC)
    assert checked(file).faults == ()
    with safe_open(file, "pt") as held:
        said = held.metadata()
    tensors = load_file(file)
    del tensors["first_stage_model.decoder.norm_out.weight"]
    name = "model.diffusion_model.time_embed.2.bias"
    tensors[name] = torch.zeros(len(tensors[name]) + 1)
    save_file(tensors, file, said)
    faults = checked(file).faults
    assert any(f"{kind}/vae" in fault for fault in faults), faults
    assert any(f"{kind}/unet" in fault and "shape" in fault for fault in faults), faults
