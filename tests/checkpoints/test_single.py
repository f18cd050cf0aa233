"""A checkpoint in one LDM file answers as its diffusers folder does, and says what it is."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.layouts import ldm
from studio.checkpoints.load import load
from studio.checkpoints.vocabulary import clip_tokenizer
from studio.contract import Guidance, Request
from studio.errors import BadCheckpoint
from tests.checkpoints.driving import Studio, off
from tests.checkpoints.ldm_writer import unet_file, write_ldm
from tests.checkpoints.small_sd import sd1_folder, sd2_folder, sdxl_folder

KINDS = {
    "sd1": lambda folder: sd1_folder(folder, whole=True),
    "sd2": lambda folder: sd2_folder(folder, whole=True),
    "sdxl": lambda folder: sdxl_folder(folder, whole=True),
    "refiner": lambda folder: sdxl_folder(folder, refiner=True, whole=True),
}
SPEC = {"modelspec.resolution": "64x64", "modelspec.title": "One file", "modelspec.license": "mit"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    for kind, make in KINDS.items():
        made = make(folder / f"{kind}-folder")
        write_ldm(made, folder / f"{kind}.safetensors", kind, SPEC)
    return folder


@pytest.fixture(scope="module")
def studio(models):
    return Studio(models)


def opened(studio, id):
    return studio.residents.get(id, lambda doing, share: None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_family_is_found_off_the_header(studio, kind):
    one, folder = studio.catalog[kind], studio.catalog[f"{kind}-folder"]
    for field in ("family", "size", "latent", "prediction"):
        assert getattr(one, field) == getattr(folder, field)
    for field in ("sampler", "spacing"):
        assert one.defaults[field] == folder.defaults[field]
    assert (one.title, one.licence) == ("One file", "mit")


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_answers_and_pictures_are_the_folders(studio, kind):
    one, folder = opened(studio, kind), opened(studio, f"{kind}-folder")
    asked = Asked("a photo of a red disc, 64 px", score=6.0)
    mine, theirs = one.encode(asked), folder.encode(asked)
    assert set(mine) == set(theirs)
    for part in theirs:
        assert torch.allclose(mine[part], theirs[part], atol=1e-5), part
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = one.predict(x, [700.0], stack([mine]))
    assert off(found, folder.predict(x, [700.0], stack([theirs]))) < 1e-5
    assert off(one.decode(x), folder.decode(x)) < 1e-5
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert off(one.embed(picture), folder.embed(picture)) < 1e-5


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_whole_run_is_the_folders(studio, kind):
    recipe = {"prompt": "a red disc", "sampler": "euler", "steps": 4, "seed": 2}
    recipe["guidance"] = Guidance(scale=4.0)
    one, folder = studio.states(Request(kind, **recipe), Request(f"{kind}-folder", **recipe))
    assert off(one, folder) < 1e-5


def test_half_precision_is_read_as_it_is_stored(models, tmp_path):
    write_ldm(models / "sd1-folder", tmp_path / "half.safetensors", "sd1", SPEC, half=True)
    write_ldm(models / "sd1-folder", tmp_path / "full.safetensors", "sd1", SPEC)
    catalog = scan(tmp_path)
    quiet = lambda doing, share: None  # noqa: E731
    half, full = (load(catalog[id], "cpu", quiet, {}) for id in ("half", "full"))
    x, row = torch.randn(1, 4, 8, 8), Asked("bar")
    found = half.predict(x, [500.0], stack([half.encode(row)]))
    assert 0 < off(found, full.predict(x, [500.0], stack([full.encode(row)]))) < 0.05


def test_what_a_file_beside_it_says_counts(models, tmp_path):
    write_ldm(models / "sd2-folder", tmp_path / "two.safetensors", "sd2", {})
    (tmp_path / "two.studio.json").write_text('{"prediction": "epsilon", "title": "Base"}')
    entry = scan(tmp_path)["two"]
    assert (entry.title, entry.prediction, entry.size) == ("Base", "epsilon", 512)


@pytest.mark.parametrize(
    ("drop", "sentence"),
    [
        ("first_stage_model.", "without its autoencoder"),
        ("cond_stage_model.", "without a text encoder"),
        ("model.diffusion_model.middle_block.0.", "lacks"),
        ("first_stage_model.decoder.norm_out.", "lacks"),
    ],
)
def test_what_is_missing_is_said(models, tmp_path, drop, sentence):
    state = load_file(models / "sd1.safetensors")
    left = {k: v for k, v in state.items() if not k.startswith(drop)}
    save_file(left, tmp_path / "broken.safetensors", {"format": "pt"} | SPEC)
    with pytest.raises(BadCheckpoint, match=sentence):
        load(scan(tmp_path)["broken"], "cpu", lambda doing, share: None, {})


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("double_blocks.0.img_attn.norm.key_norm.scale", "FLUX"),
        ("control_model.time_embed.0.weight", "a control network"),
        ("something.else", "not of a family"),
    ],
)
def test_other_files_are_refused_for_what_they_are(tmp_path, key, sentence):
    save_file({key: torch.zeros(4)}, tmp_path / "other.safetensors")
    with pytest.raises(BadCheckpoint, match=sentence):
        scan(tmp_path)["other"]


def test_nan_is_found_by_its_tensors_name(models, tmp_path):
    state = load_file(models / "sd1.safetensors")
    state["model.diffusion_model.out.2.bias"][0] = float("nan")
    save_file(state, tmp_path / "nan.safetensors", {"format": "pt"} | SPEC)
    with pytest.raises(BadCheckpoint, match=r"nan/unet: conv_out\.bias holds NaN"):
        load(scan(tmp_path)["nan"], "cpu", lambda doing, share: None, {})


PUBLISHED = {  # the configurations that the published UNets have in diffusers layout
    "sd1": {
        "block_out_channels": (320, 640, 1280, 1280),
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    },
    "sd2": {
        "block_out_channels": (320, 640, 1280, 1280),
        "cross_attention_dim": 1024,
        "attention_head_dim": (5, 10, 20, 20),
        "use_linear_projection": True,
    },
    "sdxl": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
        "transformer_layers_per_block": (1, 2, 10),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "refiner": {
        "block_out_channels": (384, 768, 1536, 1536),
        "down_block_types": (
            "DownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 1280,
        "attention_head_dim": (6, 12, 24, 24),
        "use_linear_projection": True,
        "transformer_layers_per_block": 4,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2560,
    },
}


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_published_unets_are_told_by_their_shapes(kind):
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        real = UNet2DConditionModel(**PUBLISHED[kind])
    wanted = {k: tuple(v.shape) for k, v in real.state_dict().items()}
    header = {k: tuple(v.shape) for k, v in unet_file(real.state_dict(), 2).items()}
    config = ldm.unet(kind, header)
    with torch.device("meta"):
        found = UNet2DConditionModel(**config)
    assert {k: tuple(v.shape) for k, v in found.state_dict().items()} == wanted
    heads = [m.heads for m in real.modules() if hasattr(m, "heads")]
    assert [m.heads for m in found.modules() if hasattr(m, "heads")] == heads


def test_the_tokenizer_is_clips_own():
    """Ids as OpenAI's tokenizer gives them for its README's words."""
    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("Hello  World!").input_ids == [49406, 3306, 1002, 256, 49407]
    padded = clip_tokenizer("!")("cat", padding="max_length", max_length=6).input_ids
    assert padded == [49406, 2368, 49407, 0, 0, 0]
