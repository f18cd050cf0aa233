"""Looking inside: against the library's own classes, closed forms, and the network's own widths."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from studio.engine.engine import LocalEngine
from studio.engine.lab_blocks import drawn_variance, token_grid
from studio.engine.lab_map import network, places
from studio.engine.lab_vae import difference
from studio.errors import BadRequest, NotFound
from studio.settings import Settings
from tests.checkpoints import small
from tests.engine.tiny import exact_folder, sd_folder

POINTS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    models = tmp_path_factory.mktemp("insides")
    exact_folder(models / "shapes")
    sd_folder(models / "random")
    small.dit_folder(models / "dit")
    small.pixart_folder(models / "pixart")
    small.sd3_folder(models / "sd3")
    small.flux_folder(models / "flux")
    small.pixel_folder(models / "pixel")
    (models / "dit" / "studio.json").write_text(json.dumps({"title": "DiT"}))
    return models


@pytest.fixture(scope="module")
def engine(folder):
    made = LocalEngine(Settings(models=folder, more_models=folder / "none", threads=1))
    yield made.start(warm=False)
    made.close()


@pytest.fixture(scope="module")
def picture():
    out = io.BytesIO()
    y, x = np.mgrid[0:40, 0:48]
    rgb = np.stack([5 * x, 6 * y, 128 + 0 * x], -1).astype(np.uint8)
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def loaded(engine, id):
    """The checkpoint that the engine holds."""
    list(engine.holdings.load(id))
    return engine._worker.residents.get(id, lambda doing, share: None)


def test_the_round_trip_is_that_of_the_library_s_autoencoder(engine, folder, picture):
    from diffusers import AutoencoderKL

    trip = engine.insides.round_trip("random", picture)
    vae = AutoencoderKL.from_pretrained(folder / "random" / "vae").eval()
    x = torch.from_numpy(opened(trip.picture).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        again = vae.decode(vae.encode(x).latent_dist.mean).sample
    theirs = ((again[0] / 2 + 0.5).clamp(0, 1) * 255).round().permute(1, 2, 0).numpy()
    assert np.abs(opened(trip.again).astype(float) - theirs).max() <= 1


def test_the_round_trip_s_figures_are_those_of_its_pictures(engine, picture):
    trip = engine.insides.round_trip("random", picture)
    a, b = (opened(png).astype(float) for png in (trip.picture, trip.again))
    mse = np.mean((a - b) ** 2)
    assert trip.rmse == pytest.approx(mse**0.5)
    assert trip.psnr == pytest.approx(10 * np.log10(255**2 / mse), rel=1e-5)
    assert np.array_equal(opened(trip.difference), np.minimum(np.abs(a - b) * trip.gain, 255))
    channels, high, wide = trip.latent
    assert trip.fewer == pytest.approx(3 * trip.side**2 / (channels * high * wide))


def test_the_gain_is_the_largest_that_leaves_most_of_the_difference_below_white():
    a = np.zeros((10, 10, 3), np.uint8)
    apart, gain = difference(a, np.full_like(a, 20))
    assert (gain, int(apart.max())) == (8, 160)
    assert difference(a, a)[1] == 32
    assert difference(a, np.full_like(a, 200))[1] == 1


def test_every_up_block_takes_what_its_own_width_says(engine, picture):
    """A resnet of the up path takes its input and the skip side by side."""
    made = engine.insides.forward("random", picture, 0.5)
    unet = network(loaded(engine, "random"))
    ups = [k for k, block in enumerate(made.blocks) if block.skip is not None]
    assert len(ups) == sum(len(block.resnets) for block in unet.up_blocks) > 0
    for k in ups:
        block, skip, below = made.blocks[k], made.blocks[made.blocks[k].skip], made.blocks[k - 1]
        resnet = unet.get_submodule(block.name)
        assert below.shape[0] + skip.shape[0] == resnet.norm1.num_channels
        assert below.shape[1:] == skip.shape[1:]
    taken = [made.blocks[k].skip for k in ups]
    assert taken == sorted(taken, reverse=True) and made.blocks[taken[-1]].name == "conv_in"


def test_a_block_s_rms_is_that_of_what_it_answers(engine, picture):
    """A network whose last convolution is silenced answers its bias."""
    unet = network(loaded(engine, "random"))
    bias, weight = unet.conv_out.bias, unet.conv_out.weight
    before = engine.insides.forward("random", picture, 0.5).blocks[-1].rms
    with torch.no_grad():
        weight.mul_(0), bias.fill_(0.25)
    try:
        after = engine.insides.forward("random", picture, 0.5).blocks[-1]
    finally:
        engine.holdings.unload("random")
    assert after.name == "conv_out" and before != after.rms
    assert after.rms == pytest.approx(0.25, rel=1e-6)


def test_no_hook_is_left_behind(engine, picture):
    engine.insides.forward("dit", picture, 0.5)
    engine.insides.gates("dit", POINTS)
    modules = network(loaded(engine, "dit")).modules()
    assert sum(len(module._forward_hooks) for module in modules) == 0


def test_the_same_question_has_the_same_answer_and_the_noise_has_the_level_asked(engine, picture):
    one, two = (engine.insides.forward("random", picture, 0.3, seed=4) for _ in range(2))
    assert one.blocks == two.blocks and one.xt == two.xt
    later = engine.insides.forward("random", picture, 0.9, seed=4)
    assert later.t > one.t and later.logsnr < one.logsnr and later.xt != one.xt


def test_a_transformer_s_tokens_are_its_patches(engine, picture):
    made = engine.insides.forward("dit", picture, 0.5)
    assert made.kind == "transformer" and made.tokens == (4, 4)
    assert [block.shape for block in made.blocks] == [(16, 16)] * 2


def test_the_learned_variance_is_the_network_s_second_half(engine, picture):
    made = engine.insides.forward("dit", picture, 0.5)
    low, mean, high = made.variances
    assert low <= mean <= high
    grey = opened(made.variance)[..., 0] / 255
    assert float(grey.min()) == pytest.approx(min(max(low, 0), 1), abs=1 / 255)
    assert float(grey.max()) == pytest.approx(min(max(high, 0), 1), abs=1 / 255)
    assert engine.insides.forward("random", picture, 0.5).variances is None


def test_the_variance_s_map_is_black_at_the_posterior_s_and_white_at_beta():
    values = torch.tensor([[-1.0, 0.0], [1.0, 1.0]]).expand(1, 4, 2, 2)
    png, told = drawn_variance(values, 2)
    assert told == (0.0, 0.625, 1.0)
    assert opened(png)[::2, ::2, 0].tolist() == [[0, 128], [255, 255]]


def test_a_stream_that_is_no_grid_of_the_state_has_none():
    assert token_grid(77, 16, 16) == (0, 0)
    assert token_grid(32, 16, 8) == (8, 4)


def test_gates_are_those_of_the_library_s_norm(engine):
    made = engine.insides.gates("dit", POINTS)
    checkpoint = loaded(engine, "dit")
    block, null = network(checkpoint).transformer_blocks[1], 1000
    for share, attention, mlp in zip(made.shares, made.attention, made.mlp, strict=True):
        t = torch.tensor([checkpoint.path.level(share * checkpoint.path.T).t])
        x = torch.zeros(1, 16, 16)
        label = torch.tensor([null])
        with torch.no_grad():
            _, msa, _, _, gate = block.norm1(x, t, label, hidden_dtype=x.dtype)
        assert attention[1] == pytest.approx(float(msa.square().mean().sqrt()), rel=1e-4)
        assert mlp[1] == pytest.approx(float(gate.square().mean().sqrt()), rel=1e-4)


def test_pixart_s_gates_are_the_shared_ones_and_the_block_s_own(engine):
    made = engine.insides.gates("pixart", POINTS)
    net = network(loaded(engine, "pixart"))
    t = torch.tensor([loaded(engine, "pixart").path.T * made.shares[-1]])
    with torch.no_grad():
        shared, _ = net.adaln_single(t, {"resolution": None, "aspect_ratio": None}, batch_size=1)
        block = net.transformer_blocks[0]
        each = block.scale_shift_table[None] + shared.reshape(1, 6, -1)
    assert made.attention[-1][0] == pytest.approx(
        float(each[:, 2].square().mean().sqrt()), rel=0.02
    )
    assert made.mlp[-1][0] == pytest.approx(float(each[:, 5].square().mean().sqrt()), rel=0.02)


@pytest.mark.parametrize("id", ["sd3", "flux"])
def test_every_block_of_a_joint_transformer_has_its_gates(engine, id, picture):
    made = engine.insides.gates(id, POINTS)
    net = network(loaded(engine, id))
    blocks = [*net.transformer_blocks, *getattr(net, "single_transformer_blocks", ())]
    assert {len(row) for row in made.attention} == {len(blocks)}
    assert all(value > 0 for value in made.attention[0])
    assert made.mlp[0][: len(net.transformer_blocks)] != made.attention[0]
    seen = engine.insides.forward(id, picture, 0.5)
    assert [block.rms > 0 for block in seen.blocks] == [True] * len(blocks)
    high = loaded(engine, id).entry.latent[1]
    assert seen.tokens == (high // 2, high // 2)  # both cut 2 × 2, FLUX before its network


def test_a_unet_on_pixels_is_mapped_too(engine, picture):
    made = engine.insides.forward("pixel", picture, 0.5)
    assert made.kind == "unet" and made.blocks[0].name == "conv_in"
    assert [block.skip for block in made.blocks if block.skip is not None][-1] == 0
    with pytest.raises(BadRequest, match="works on pixels"):
        engine.insides.round_trip("pixel", picture)


def test_a_layer_of_the_down_path_is_its_resnet_or_the_attention_behind_it():
    names = [
        "conv_in", "down_blocks.0.resnets.0", "down_blocks.0.attentions.0",
        "mid_block.resnets.0", "up_blocks.0.resnets.0", "up_blocks.0.attentions.0",
        "up_blocks.0.resnets.1", "conv_out",
    ]  # fmt: skip
    assert [skip for _, skip in places(names)] == [None] * 4 + [2, None, 0, None]


def test_what_is_not_there_is_said(engine, picture):
    inside = engine.insides
    for ask, words in (
        (lambda: inside.round_trip("shapes", picture), "works on pixels"),
        (lambda: inside.forward("shapes", picture, 0.5), "no network"),
        (lambda: inside.gates("random"), "no adaLN gates"),
        (lambda: inside.gates("dit", 1000), "number of points"),
        (lambda: inside.forward("dit", picture, 1.5), "time t"),
        (lambda: inside.forward("dit", picture, "half"), "time t"),
        (lambda: inside.forward("dit", picture, 0.5, "x" * 3000), "prompt"),
    ):
        with pytest.raises(BadRequest, match=words):
            ask()
    with pytest.raises(NotFound):
        inside.round_trip("../dit", picture)
