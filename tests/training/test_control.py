"""A control network's recipe: nothing at first, something soon, and the same after a pause."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline

from studio.checkpoints.fingerprint import weights_sha256
from studio.imaging.preprocessors import PREPROCESSORS
from studio.metrics import edges
from studio.training import control, hints, loop, samples, unet
from studio.training.autoencoder import to_pixels
from studio.training.conditioning import prompt_states

CONFIG = control.Config(embedding=(4, 4, 8, 8), batch=4, workers=1)
PACE = loop.Pace(4, log_s=999, save_s=0, sheet_s=999)


@pytest.fixture
def base():
    torch.manual_seed(0)
    config = unet.Config(widths=(8, 16, 16), head=8)
    return unet.build(config, text_width=24).eval().requires_grad_(False)


def cache(pictures=3):
    g = torch.Generator().manual_seed(0)
    drawn = np.random.default_rng(0).integers(0, 256, (pictures, 2, 128, 16), dtype=np.uint8)
    return control.Cache(
        unet.Cache(
            latents=torch.randn(2 * pictures, 8, 16, 16, generator=g),
            states=torch.randn(5, 32, 24, generator=g).half(),
            captions=torch.randint(1, 5, (2 * pictures, 3), generator=g),
            weights=torch.ones(2 * pictures),
        ),
        drawn,
    )


def asked(seed=1):
    g = torch.Generator().manual_seed(seed)
    x, context = torch.randn(2, 8, 16, 16, generator=g), torch.randn(2, 32, 24, generator=g)
    return x, torch.tensor([900, 40]), context


@torch.no_grad()
def test_at_step_zero_the_output_is_the_bases_exactly(base):
    network = control.build(base, CONFIG.embedding).eval()
    x, t, context = asked()
    hint = torch.rand(2, 3, 128, 128)
    expected = base(x, t, encoder_hidden_states=context).sample
    assert torch.equal(control.steered(base, network, hint)(x, t, context).sample, expected)


def test_after_a_few_steps_every_zero_convolution_has_moved_and_the_base_has_not(base, tmp_path):
    before = {name: weight.clone() for name, weight in base.state_dict().items()}
    network = control.train(cache(), base, tmp_path, CONFIG, pace=PACE)
    for block in (*network.controlnet_down_blocks, network.controlnet_mid_block):
        assert block.weight.abs().max() > 0
    assert network.controlnet_cond_embedding.conv_out.weight.abs().max() > 0
    for name, weight in base.state_dict().items():
        assert torch.equal(weight, before[name]), name
    x, t, context = asked()
    with torch.no_grad():
        one, other = (
            control.steered(base, network, torch.full((2, 3, 128, 128), v))(x, t, context).sample
            for v in (0.0, 1.0)
        )
    assert not torch.equal(one, other)


def test_the_copy_holds_what_diffusers_would_copy_and_the_bases_own_heads(base):
    network = control.build(base, CONFIG.embedding)
    theirs = ControlNetModel.from_unet(base, conditioning_embedding_out_channels=CONFIG.embedding)
    for name, weight in theirs.state_dict().items():
        assert network.state_dict()[name].shape == weight.shape
        if "controlnet_cond_embedding" not in name:
            assert torch.equal(network.state_dict()[name], weight), name
    assert network.add_embedding.pool.num_heads == base.add_embedding.pool.num_heads


def test_an_interrupted_control_ends_with_the_same_weights(base, tmp_path, monkeypatch):
    whole = control.train(cache(), base, tmp_path / "a", CONFIG, pace=PACE)
    draw = control.draw_batch

    def broken(data, alpha_bar, n, *rest):
        if n == 2:
            raise KeyboardInterrupt
        return draw(data, alpha_bar, n, *rest)

    monkeypatch.setattr(control, "draw_batch", broken)
    with pytest.raises(KeyboardInterrupt):
        control.train(cache(), base, tmp_path / "b", CONFIG, pace=PACE)
    monkeypatch.setattr(control, "draw_batch", draw)
    resumed = control.train(cache(), base, tmp_path / "b", CONFIG, pace=PACE)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name


def test_a_run_can_start_from_another_networks_weights(base, tmp_path):
    first = control.train(cache(), base, tmp_path / "a", CONFIG, pace=PACE)
    kept = {name: weight.clone() for name, weight in first.state_dict().items()}
    rate = control.Config(embedding=(4, 4, 8, 8), batch=4, workers=1, lr=0.0, adam_lr=0.0)
    second = control.train(cache(), base, tmp_path / "b", rate, pace=PACE, start=first)
    for name, weight in second.state_dict().items():
        torch.testing.assert_close(weight, kept[name])


def test_a_mirrored_picture_is_drawn_with_its_mirrored_hint():
    data = cache(pictures=1)
    data.bits[:] = 0
    data.bits[:, :, :, 0] = 255  # the left eight columns
    data.base.latents[0], data.base.latents[1] = 0.0, 1.0
    config = control.Config(batch=64, workers=1)
    alpha_bar = unet.levels()
    xt, t, _, hint, v = control.draw_batch(data, alpha_bar, 0, config, 0)
    a, s = (x.sqrt().view(-1, 1, 1, 1) for x in (alpha_bar[t], 1 - alpha_bar[t]))
    mirrored = (a * xt - s * v).mean((1, 2, 3)) > 0.5
    assert mirrored.any() and not mirrored.all()
    assert torch.equal(hint[:, 0, 0, 0] == 0, mirrored)
    assert torch.equal(hint[:, 0, 0, -1] == 1, mirrored)


def test_bits_come_back_as_the_hints_they_were():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    bits = hints.pack("canny", pixels, [1, 0])
    made = hints.make("canny", pixels[1], 0)
    expected = torch.from_numpy(made[0] > 0).float()
    assert torch.equal(hints.unpack(bits[:, 0])[0], expected.expand(3, -1, -1))


@pytest.mark.parametrize("kind", hints.VARIED)
def test_hints_vary_and_are_the_same_for_the_same_seed(kind):
    picture = np.full((128, 128, 3), 255, np.uint8)
    picture[30:90, 40:100] = np.linspace(0, 250, 60)[:, None, None]
    first, again, other = (hints.make(kind, picture, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.array_equal(first[0], other[0])  # with the default settings
    assert len({h.tobytes() for h in (*first, *other)}) > hints.VARIANTS


@pytest.mark.integration
@pytest.mark.parametrize("kind", hints.VARIED)
def test_a_shipped_control_names_the_shipped_base_and_was_trained_on_the_default_hints(kind):
    models = Path(__file__).resolve().parents[2] / "models"
    said = json.loads((models / f"icons-control-{kind}" / "studio.json").read_text())["control"]
    assert said["base_sha256"] == weights_sha256(models / said["base"] / "unet")
    defaults = {s.name: s.default for s in PREPROCESSORS[said["preprocessor"]].settings}
    assert said["settings"] == defaults


@pytest.mark.integration
@pytest.mark.parametrize("kind", hints.VARIED)
@torch.no_grad()
def test_a_shipped_control_draws_what_the_words_say_where_the_lines_are(kind):
    models = Path(__file__).resolve().parents[2] / "models"
    folder = models / f"icons-control-{kind}"
    said = json.loads((folder / "studio.json").read_text())["control"]
    pipe = StableDiffusionPipeline.from_pretrained(models / "icons-unet")
    network = ControlNetModel.from_pretrained(folder, dtype=torch.float32)
    t = np.linspace(0, 2 * np.pi, 60)
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    heart = 3.2 * np.stack([16 * np.sin(t) ** 3, y], 1) + [64, 62]
    picture = np.full((128, 128, 3), 255, np.uint8)
    cv2.fillPoly(picture, [np.round(heart).astype(np.int32)], (0, 0, 0), cv2.LINE_AA)
    hint, lines = PREPROCESSORS[kind](picture), hints.lines(kind, picture)
    shown = torch.from_numpy(hint).permute(2, 0, 1)[None].float() / 255
    states = prompt_states(pipe.text_encoder, pipe.tokenizer, ["", "blue heart"])
    noise = torch.randn(8, 8, 16, 16, generator=torch.Generator().manual_seed(0))[4:]
    follow = control.steered(pipe.unet, network.eval(), shown, said["scale"])
    f1, middle = [], []
    for predict in (follow, pipe.unet):
        asked = states[1:].expand(len(noise), -1, -1)
        z = samples.sample(predict, asked, states[:1], noise, 12, said["guidance"])
        made = to_pixels(pipe.vae.decode(z).sample)
        found = [edges.match(PREPROCESSORS["canny"](one)[..., 0], lines).f1 for one in made]
        f1.append(sum(found) / len(found))
        middle.append(made[:, 64, 64].astype(int).mean(0))
    assert f1[0] > {"canny": 0.7, "scribble": 0.6}[kind] and f1[0] > f1[1] + 0.35
    assert middle[0][2] > middle[0][0] + 60  # blue, as the words say
