import json
import logging
import math
import os
import shutil
import time

import pytest

from studio.checkpoints import adapters
from studio.checkpoints.catalog import only, scan
from studio.errors import BadCheckpoint, NotFound
from tests.hostile.make import raw, tensor


def change(file, **fields):
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def weights(shapes):
    """The bytes of a sound file with tensors of these shapes, all zero."""
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 4 * math.prod(shape)
        header[name], at = tensor(shape, [at, end]), end
    return raw(header, bytes(at))


def refused(models, id="random"):
    catalog = scan(models)
    assert id not in catalog.entries
    with pytest.raises(BadCheckpoint) as error:
        catalog[id]
    return str(error.value)


def test_both_families_are_found_trained_ones_first(models):
    catalog = scan(models)
    assert [(e.id, e.family) for e in catalog.entries.values()] == [
        ("random", "sd"),
        ("shapes", "exact"),
    ]
    assert catalog.default == "random"


def test_a_checkpoint_may_ask_to_be_the_default(models):
    change(models / "shapes" / "studio.json", default=True)
    assert scan(models).default == "shapes"


def test_an_entry_is_read_off_configuration_headers_and_card(models):
    entry = scan(models)["random"]
    assert (entry.size, entry.latent, entry.prediction) == (64, (4, 8, 8), "v_prediction")
    assert entry.licence == "mit" and entry.card == "# Random\n\nNothing was learned."
    assert entry.parameters > 100_000 and entry.bytes > 4 * 100_000 and entry.trained


def test_what_studio_json_says_is_taken_over(models):
    entry = scan(models)["shapes"]
    assert entry.title == "Twelve shapes" and not entry.trained
    assert entry.defaults == {"steps": 8, "guidance": {"scale": 1.0}}


def test_what_studio_json_says_at_length_is_cut(models):
    long = "x" * 900
    change(models / "shapes" / "studio.json", title=long, knows=long, examples=[long] * 999)
    entry = scan(models)["shapes"]
    assert entry.title == entry.knows == entry.examples[0] == "x" * 200
    assert len(entry.examples) == 50


def test_a_network_of_blocks_without_end_is_refused(models):
    shapes = {f"model.diffusion_model.input_blocks.{k}.0.op.weight": [1] for k in range(9000)}
    file = models / "endless.safetensors"
    file.write_bytes(weights(shapes | {"model.diffusion_model.input_blocks.0.0.weight": [4, 4]}))
    start = time.thread_time()
    assert "a UNet of a build that" in refused(models, "endless")
    assert time.thread_time() - start < 2.0


@pytest.mark.parametrize("id", ["..", "../random", "/etc", "random/unet", "", "nobody"])
def test_an_id_is_looked_up_and_never_a_path(models, id):
    with pytest.raises(NotFound):
        scan(models)[id]


def test_no_folder_is_no_checkpoint(tmp_path):
    catalog = scan(tmp_path / "none")
    assert catalog.entries == {}
    with pytest.raises(NotFound, match="put one there"):
        _ = catalog.default


def test_a_link_out_of_the_models_folder_is_refused(models, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (models / "shapes").rename(elsewhere)
    os.symlink(elsewhere, models / "shapes")
    assert "leads out" in refused(models, "shapes")


def test_a_link_out_of_a_checkpoint_is_refused(models):
    weights = models / "random" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    os.symlink("/etc/passwd", weights)
    assert "leads out" in refused(models)


def test_weights_may_be_a_link_to_those_of_a_checkpoint_beside_it_and_to_no_other_file(models):
    shutil.copytree(models / "random", models / "twin")
    weights = models / "twin" / "vae" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    os.symlink("../../random/vae/diffusion_pytorch_model.safetensors", weights)
    assert scan(models)["twin"].parameters == scan(models)["random"].parameters
    for elsewhere in ("../../random/vae/config.json", "../../loose/a.safetensors"):
        weights.unlink()
        os.symlink(elsewhere, weights)
        (models / "loose").mkdir(exist_ok=True)
        (models / "loose" / "a.safetensors").write_bytes(b"not a checkpoint's")
        assert "leads out" in refused(models, "twin")


def test_a_class_that_is_not_known_is_refused(models):
    change(models / "random" / "model_index.json", unet=["os", "system"])
    assert "'os.system'" in refused(models)


def test_pickled_weights_are_refused(models):
    folder = models / "random" / "unet"
    (folder / "diffusion_pytorch_model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pickled" in refused(models)


def test_a_lone_pickle_is_refused(models):
    (models / "old").mkdir()
    (models / "old" / "model.ckpt").write_bytes(b"\x80")
    assert "safetensors only" in refused(models, "old")


def test_an_unknown_folder_is_refused(models):
    (models / "what").mkdir()
    assert "not of a family" in refused(models, "what")


@pytest.mark.parametrize("size", [0, -8, "8", None, 10**9])
def test_a_size_that_makes_no_sense_is_refused(models, size):
    change(models / "random" / "unet" / "config.json", sample_size=size)
    assert "how large" in refused(models)


@pytest.mark.parametrize("text", ["", "[]", "{", '"text"'])
def test_a_damaged_configuration_is_refused(models, text):
    (models / "random" / "unet" / "config.json").write_text(text)
    assert "not a JSON object" in refused(models)


def test_one_bad_checkpoint_does_not_hide_the_others(models):
    (models / "random" / "unet" / "config.json").write_text("{")
    assert list(scan(models).entries) == ["shapes"]


@pytest.mark.parametrize(
    ("file", "fields", "sentence"),
    [
        ("unet/config.json", {"in_channels": 8}, "8 input channels for states of 4"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "more than a prompt"),
        ("unet/config.json", {"class_embed_type": "timestep"}, "a class"),
        ("unet/config.json", {"num_class_embeds": 10}, "a class"),
        ("unet/config.json", {"encoder_hid_dim_type": "ip_image_proj"}, "an encoded picture"),
        ("unet/config.json", {"cross_attention_dim": 32}, "32 numbers wide"),
        ("unet/config.json", {"cross_attention_dim": [16, 24]}, "24 numbers wide"),
        ("model_index.json", {"text_encoder_2": ["transformers", "CLIPTextModel"]}, "two text"),
    ],
)
def test_a_network_that_wants_other_inputs_is_refused_in_words(models, file, fields, sentence):
    change(models / "random" / file, **fields)
    assert sentence in refused(models)


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("unet/config.json", {"in_channels": 9}),  # for inpainting
        ("unet/config.json", {"addition_embed_type": "text"}),
        ("unet/config.json", {"cross_attention_dim": [16, 16]}),
        ("model_index.json", {"text_encoder_2": [None, None]}),
    ],
)
def test_what_makes_no_difference_is_not_refused(models, file, fields):
    change(models / "random" / file, **fields)
    assert "random" in scan(models).entries


UNET = "model.diffusion_model."
FLAT = {f"{UNET}input_blocks.0.0.weight": [4], f"{UNET}out.2.weight": [4]} | {
    f"{UNET}input_blocks.1.{name}": [4, 4]
    for name in ("0.in_layers.2.weight", "1.transformer_blocks.0.attn2.to_k.weight")
}
VAE = {
    "decoder.up.0.block.0.conv1.weight": [4],
    "encoder.down.0.block.0.conv1.weight": [4],
    "encoder.conv_in.weight": [4],
    "decoder.conv_in.weight": [4],
}
LORA = "lora_unet_mid_block_attentions_0_proj_in"


def flat_unet(models):
    (models / "bad.safetensors").write_bytes(weights(FLAT))


def flat_autoencoder(models):
    (models / "bad.safetensors").write_bytes(weights(VAE))


def endless_alpha(models):
    (models / "bad").mkdir()
    pair = {f"{LORA}.lora_down.weight": [2, 4], f"{LORA}.lora_up.weight": [4, 2]}
    (models / "bad" / "adapter_model.safetensors").write_bytes(weights(pair))
    (models / "bad" / "adapter_config.json").write_text(json.dumps({"lora_alpha": 10**400}))


def endless_setting(models):
    control(models / "bad", "ControlNetModel", {"settings": {"low": 10**400}})


def a_list_for_a_class(models):
    control(models / "bad", ["ControlNetModel"], {})


def control(folder, kind, said):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"_class_name": kind}))
    (folder / "studio.json").write_text(json.dumps({"control": said}))
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(weights({"w": [2]}))


@pytest.mark.parametrize(
    "spoil", [flat_unet, flat_autoencoder, endless_alpha, endless_setting, a_list_for_a_class]
)
def test_a_bad_one_of_any_kind_leaves_the_others_offered(models, spoil):
    spoil(models)
    catalog = scan(models)
    assert set(catalog.entries) == {"random", "shapes"}
    assert "bad" in catalog.refused or "bad" in catalog.controls
    assert catalog.refused.get("bad", ".").endswith(".")


def test_what_nobody_foresaw_is_said_in_words_and_logged_whole(models, monkeypatch, caplog):
    def break_down(path):
        raise ZeroDivisionError("of a kind never seen")

    monkeypatch.setattr(adapters, "describe", break_down)
    with caplog.at_level(logging.WARNING):
        catalog = scan(models)
    assert set(catalog.refused) == {"random", "shapes"}
    assert all("cannot be read; check" in said for said in catalog.refused.values())
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


def test_one_file_that_breaks_its_reader_is_refused_in_words(models):
    flat_unet(models)
    said = only(models / "bad.safetensors").refused["bad"]
    assert said == "bad.safetensors cannot be read; check its files' permissions."


@pytest.mark.parametrize("spoil", [endless_alpha, endless_setting])
def test_adapters_and_controls_from_outside_are_refused_unread(models, tmp_path, spoil):
    spoil(tmp_path)
    os.symlink(tmp_path / "bad", models / "bad")
    assert "leads out of the models folder" in scan(models).refused["bad"]


def test_a_models_folder_that_cannot_be_read_is_said(models, monkeypatch):
    from pathlib import Path

    def refuse(folder):
        raise PermissionError(f"{folder}")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(BadCheckpoint, match=r"models folder cannot be read; check") as error:
        scan(models)
    assert str(models) not in str(error.value)
