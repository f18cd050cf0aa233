"""What is read off an adapter's header, and what is refused before anything loads."""

import json

import pytest
import torch
from safetensors.torch import save_file

from studio.checkpoints import adapters
from studio.checkpoints.catalog import scan
from studio.checkpoints.inspect import inspect
from studio.errors import BadCheckpoint, BadRequest, NotFound
from tests.engine.tiny import sd_folder

Q = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return inspect(sd_folder(tmp_path_factory.mktemp("base") / "tiny-sd"))


def file(folder, tensors, name="made", **metadata):
    path = folder / f"{name}.safetensors"
    save_file(tensors, path, metadata or None)
    return path


def pair(module=Q, inside=16, outside=16, rank=2):
    return {
        f"{module}.lora_down.weight": torch.zeros(rank, inside),
        f"{module}.lora_up.weight": torch.zeros(outside, rank),
    }


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({f"{Q}.hada_w1_a": torch.zeros(2, 2)}, "of the kind LoHa, which this studio"),
        ({f"{Q}.lokr_w1": torch.zeros(2, 2)}, "of the kind LoKr, which this studio"),
        ({f"{Q}.lora_down.weight": torch.zeros(2, 16)}, "incomplete: of .*to_q one half"),
        (pair() | {f"{Q}.lora_up.weight": torch.zeros(16, 3)}, "do not fit each other"),
        (pair() | {f"{Q}.alpha": torch.zeros(3)}, "an alpha of .* that is no number"),
        (pair() | {"stray.weight": torch.zeros(3)}, "holds stray.weight, which is no part"),
    ],
    ids=["loha", "lokr", "half", "misfit", "alpha", "stray"],
)
def test_a_file_that_cannot_be_applied_is_refused_in_words(tmp_path, tensors, said):
    with pytest.raises(BadCheckpoint, match=said):
        adapters.describe(file(tmp_path, tensors))


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (pair(Q.replace("blocks_0", "blocks_7", 1)), "which is not there"),
        (pair(inside=320, outside=320), "has other sides there"),
        ({"emb_params": torch.zeros(2, 768)}, "vectors of 768 numbers, and the words of .* 16"),
    ],
    ids=["missing", "shape", "inversion"],
)
def test_an_adapter_of_another_network_is_refused_before_anything_loads(
    tmp_path, base, tensors, said
):
    with pytest.raises(BadRequest, match=said):
        adapters.check_fit(adapters.describe(file(tmp_path, tensors)), base)


def test_an_adapter_that_fits_is_taken(tmp_path, base):
    found = adapters.describe(file(tmp_path, pair(), **{"modelspec.title": "Ink"}))
    adapters.check_fit(found, base)
    assert (found.kind, found.title, found.rank, found.targets) == ("lora", "Ink", 2, ("unet",))


def test_dora_in_the_metadata_is_refused(tmp_path):
    said = json.dumps({"unet.use_dora": True})
    with pytest.raises(BadCheckpoint, match="LoRA with use_dora, which is not applied"):
        adapters.describe(file(tmp_path, pair(), lora_adapter_metadata=said))


def test_alpha_is_read_off_peft_s_configuration(tmp_path):
    folder = tmp_path / "peft"
    folder.mkdir()
    module = "base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    tensors = {
        f"{module}.lora_A.weight": torch.zeros(2, 16),
        f"{module}.lora_B.weight": torch.zeros(16, 2),
    }
    file(folder, tensors, "adapter_model")
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "r": 2}))
    assert adapters.describe(folder).alphas["unet"] == 8.0


@pytest.mark.parametrize("alpha", ["1e400", "NaN", "-Infinity", "1" + "0" * 400])
def test_an_alpha_without_end_is_refused(tmp_path, alpha):
    said = f'{{"unet.lora_alpha": {alpha}}}'
    with pytest.raises(BadCheckpoint, match=r"says unet.lora_alpha = .*, which no checkpoint"):
        adapters.describe(file(tmp_path, pair(), lora_adapter_metadata=said))


def test_a_stray_configuration_says_nothing_of_a_loose_file(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 8, "use_dora": True}))
    assert adapters.describe(file(tmp_path, pair())).alphas == {}


@pytest.mark.parametrize(
    ("name", "shape", "trigger"),
    [
        ("<mug>", (768,), "<mug>"),
        ("<mug>", (2, 16), "<mug>"),
        ("emb_params", (3, 768), "made"),
        ("vectors", (3, 768), "made"),
        ("<img src=x onerror=a()>", (3, 768), "made"),
        ("<" + "m" * 61 + ">", (3, 768), "made"),
    ],
)
def test_an_inversion_is_told_by_its_names_or_its_sides(tmp_path, name, shape, trigger):
    found = adapters.describe(file(tmp_path, {name: torch.zeros(shape)}))
    assert (found.kind, found.trigger) == ("embedding", trigger)


@pytest.mark.parametrize("shape", [(2,), (768,), (2, 16), (2, 8192), (80, 768)])
def test_one_tensor_of_no_name_and_other_sides_is_no_inversion(tmp_path, shape):
    assert adapters.describe(file(tmp_path, {"w": torch.zeros(shape)})) is None


def test_another_autoencoder_of_other_channels_is_refused(tmp_path, base):
    folder = tmp_path / "vae16"
    folder.mkdir()
    config = {"_class_name": "AutoencoderKL", "latent_channels": 16, "block_out_channels": [8] * 4}
    (folder / "config.json").write_text(json.dumps(config))
    file(folder, {"x": torch.zeros(1)}, "diffusion_pytorch_model")
    with pytest.raises(BadRequest, match=r"states of 16 channels at 1/8 of the size, and .* has 4"):
        adapters.check_fit(adapters.describe(folder), base)


@pytest.mark.parametrize(
    "fields",
    [
        {"block_out_channels": [8] * 9},
        {"block_out_channels": [8] * 100_000},
        {"block_out_channels": []},
        {"block_out_channels": "many"},
        {"latent_channels": 2**19},
        {"latent_channels": "4"},
        {"latent_channels": None},
        {"layers_per_block": 10**400},
    ],
)
def test_an_autoencoder_beyond_all_bounds_is_refused(tmp_path, fields):
    folder = tmp_path / "vast"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"} | fields))
    file(folder, {"x": torch.zeros(1)}, "diffusion_pytorch_model")
    with pytest.raises(BadCheckpoint, match=r"its configuration says .*, which no"):
        adapters.describe(folder)


def test_a_whole_file_of_too_many_blocks_is_refused(tmp_path):
    tensors = {f"encoder.down.{k}.block.0.conv1.weight": torch.zeros(1) for k in range(2000)}
    ends = ("encoder.conv_in.weight", "decoder.conv_in.weight", *adapters.LDM_VAE)
    tensors |= {name: torch.zeros(4, 4) for name in ends}
    with pytest.raises(BadCheckpoint, match="says block_out_channels = "):
        adapters.describe(file(tmp_path, tensors))


def test_an_entry_that_breaks_the_comparison_only_does_not_fit(monkeypatch, caplog):
    from studio.checkpoints.catalog import Catalog
    from studio.engine import adapting

    def break_down(adapter, base):
        raise OverflowError("far too large")

    monkeypatch.setattr(adapting, "check_fit", break_down)
    catalog = Catalog(entries={"m": None}, adapters={"bad": None})
    assert adapting.Adapting(catalog).fits("bad", "m").startswith("bad cannot be read; check")
    assert "far too large" in caplog.text


def test_the_scan_lists_adapters_and_says_why_others_are_not(tmp_path):
    file(tmp_path, pair(), "good")
    file(tmp_path, {f"{Q}.hada_w1_a": torch.zeros(2, 2)}, "loha")
    found = scan(tmp_path)
    assert list(found.adapters) == ["good"]
    assert found.adapter("good").kind == "lora"
    with pytest.raises(BadCheckpoint, match="LoHa"):
        found.adapter("loha")
    with pytest.raises(NotFound, match="There is no adapter “other”"):
        found.adapter("other")
