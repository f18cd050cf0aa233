"""DiT against diffusers' own pipeline, and the authors' weights against the authors' formulas."""

import json
import math

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DiTPipeline,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
)
from diffusers.schedulers import scheduling_ddpm
from safetensors.torch import save_file

from studio.checkpoints.catalog import scan
from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.errors import BadCheckpoint, BadRequest
from tests.checkpoints import small
from tests.checkpoints.parity import Studio, assert_same, visiting

STEPS, SCALE = 8, 3.0  # a divisor of 1000: the library's DDIM steps to t - 1000 // STEPS
SAMPLERS = {
    "ddim": (DDIMScheduler, {"clip_sample": False, "timestep_spacing": "trailing"}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}),
    "unipc": (UniPCMultistepScheduler, {}),
}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
LINEAR = {"beta_start": 1e-4, "beta_end": 0.02}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    models = tmp_path_factory.mktemp("dit")
    small.dit_folder(models / "dit")
    (models / "dit" / "studio.json").write_text(json.dumps({"title": "DiT"}))
    return Studio(models)


@pytest.fixture(scope="module")
def pipeline(studio):
    folder = studio.catalog["dit"].folder
    made = DiTPipeline.from_pretrained(folder, local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


def recipe(sampler="ddim", label=1, seed=3, **more):
    guidance = Guidance(scale=SCALE)
    usual = {"model": "dit", "label": label, "seed": seed, "steps": STEPS, "guidance": guidance}
    return usual | {"sampler": sampler} | more


def theirs(pipeline, studio, sampler, label=1, seed=3):
    kind, config = SAMPLERS[sampler]
    path = studio.checkpoint("dit").path
    pipeline.scheduler = scheduler = visiting(kind, path, STEPS, "trailing", **LINEAR, **config)
    pipeline([label], SCALE, torch.Generator().manual_seed(seed), STEPS, output_type="pt")
    return scheduler.last[:1]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_final_state_is_the_library_s(studio, pipeline, sampler):
    assert_same(studio.alone(**recipe(sampler)), theirs(pipeline, studio, sampler))


def test_in_a_mixed_batch_every_run_ends_as_the_library_s(studio, pipeline):
    arrivals = [(k, recipe(sampler, 1 + 3 * (k % 2), 7 + k)) for k, sampler in enumerate(SAMPLERS)]
    for state, (_, asked) in zip(studio.together(arrivals), arrivals, strict=True):
        assert_same(
            state, theirs(pipeline, studio, asked["sampler"], asked["label"], asked["seed"])
        )


@pytest.mark.parametrize("guided", [0, 3])
def test_with_a_learned_variance_ddpm_is_the_library_s(studio, guided, monkeypatch):
    """Which its pipeline leaves out: scheduler and network by hand, the rows guided as asked."""
    steps, network = 10, studio.checkpoint("dit").network
    scheduler = DDPMScheduler(
        **LINEAR, clip_sample=False, variance_type="learned_range", timestep_spacing="leading"
    )
    scheduler.set_timesteps(steps)
    noise = KeyedNoise([3], (4, 8, 8))
    x, labels = noise.first(), torch.tensor([1000, 1])
    for step, t in enumerate(scheduler.timesteps):
        with torch.no_grad():
            raw = network(x.repeat(2, 1, 1, 1), t.expand(2), labels).sample
        (empty, named), var = raw[:, :4].chunk(2), raw[1:, 4:]
        out = empty + SCALE * (named - empty)
        if guided:
            out = torch.cat([out[:, :guided], named[:, guided:]], 1)
        drawn = noise(step)
        monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_, drawn=drawn, **__: drawn)
        x = scheduler.step(torch.cat([out, var], 1), t, x).prev_sample
    guidance = Guidance(scale=SCALE, channels=guided)
    ours = studio.alone(**recipe("ddpm", steps=steps, guidance=guidance, spacing="leading"))
    assert_same(ours, x)


def test_a_prompt_may_name_the_class(studio):
    named = studio.alone(**recipe(label=None, prompt="a red disc"))
    assert torch.equal(named, studio.alone(**recipe(label=0)))
    assert torch.equal(studio.alone(**recipe(label=None, prompt="207")),
                       studio.alone(**recipe(label=207)))  # fmt: skip


def test_without_a_class_all_rows_are_the_null_class(studio):
    unguided = recipe(label=None, guidance=Guidance("none"))
    assert_same(studio.alone(**recipe(label=None)), studio.alone(**unguided))


def test_a_prompt_that_names_no_class_gets_a_note(studio):
    checkpoint = studio.checkpoint("dit")
    (note,) = checkpoint.notes("zebra")
    assert "none of 1000 classes" in note
    assert checkpoint.notes("blue bar") == () and checkpoint.known("blue bar")
    assert checkpoint.nearest("disc red")[0] == ("red disc", 1.0)


@pytest.fixture(scope="module")
def partly(tmp_path_factory):
    """A DiT of 1,000 rows of which four are named: 0, 1, 2 and 7."""
    folder = small.dit_folder(tmp_path_factory.mktemp("partly") / "dit")
    index = json.loads((folder / "model_index.json").read_text())
    index["id2label"] = dict(zip("0127", ("red disc", "green square", "blue bar", "cross"),
                                 strict=True))  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index))
    return Studio(folder.parent)


def test_classes_without_a_name_are_neither_offered_nor_drawn(partly):
    checkpoint = partly.checkpoint("dit")
    named = ("red disc", "green square", "blue bar", "", "", "", "", "cross")
    assert partly.catalog["dit"].classes == named
    with pytest.raises(BadRequest, match="never taught class 5; choose a named one"):
        partly.run(**recipe(label=5))
    with pytest.raises(BadRequest, match="has classes 0 to 7; there is no 900"):
        partly.run(**recipe(label=900))
    assert [checkpoint.classes.find(text) for text in ("7", "5", "900", "a cross")] == [
        7,
        None,
        None,
        7,
    ]
    assert "none of 4 classes" in checkpoint.notes("5")[0]
    assert "" not in dict(checkpoint.nearest("red", 5))


def test_an_entry_tells_the_classes(studio):
    entry = studio.catalog["dit"]
    assert (entry.conditions, len(entry.classes), entry.classes[1]) == (
        "class",
        1000,
        "green square",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": 1000}, "classes 0 to 999"),
        ({"width": 128}, "square"),
        ({"width": 72, "height": 72}, "multiples of 16"),
    ],
)
def test_what_a_dit_cannot_draw_is_refused(studio, changes, words):
    with pytest.raises(BadRequest, match=words):
        studio.run(**recipe() | changes)


# The authors' own state dict


def authors_weights(depth=2, width=48, heads=4, patch=2, classes=10, side=8):
    """A random state dict as facebookresearch/DiT names it. 48 wide: heads are width // 64 or 1."""
    draw = torch.Generator().manual_seed(1)

    def linear(name, out, inner):
        return {
            f"{name}.weight": torch.randn(out, inner, generator=draw) / math.sqrt(inner),
            f"{name}.bias": torch.randn(out, generator=draw) / 10,
        }

    proj = linear("x_embedder.proj", width, 4 * patch**2)
    proj["x_embedder.proj.weight"] = proj["x_embedder.proj.weight"].reshape(width, 4, patch, patch)
    made = {"pos_embed": torch.randn(1, (side // patch) ** 2, width, generator=draw)} | proj
    made |= linear("t_embedder.mlp.0", width, 256) | linear("t_embedder.mlp.2", width, width)
    made["y_embedder.embedding_table.weight"] = torch.randn(classes + 1, width, generator=draw)
    for k in range(depth):
        made |= linear(f"blocks.{k}.attn.qkv", 3 * width, width)
        made |= linear(f"blocks.{k}.attn.proj", width, width)
        made |= linear(f"blocks.{k}.mlp.fc1", 4 * width, width)
        made |= linear(f"blocks.{k}.mlp.fc2", width, 4 * width)
        made |= linear(f"blocks.{k}.adaLN_modulation.1", 6 * width, width)
    made |= linear("final_layer.adaLN_modulation.1", 2 * width, width)
    return made | linear("final_layer.linear", patch**2 * 8, width)


def paper(w, x, t, y, heads, patch=2):
    """DiT as its paper has it (Peebles & Xie 2023, sec. 3.2, fig. 3), from weights by name."""

    def lin(name, v):
        return v @ w[f"{name}.weight"].flatten(1).T + w[f"{name}.bias"]

    def norm(v):
        mean = v.mean(-1, keepdim=True)
        return (v - mean) / ((v - mean).square().mean(-1, keepdim=True) + 1e-6).sqrt()

    R, C, H, W = x.shape
    cells = x.reshape(R, C, H // patch, patch, W // patch, patch).permute(0, 2, 4, 1, 3, 5)
    z = lin("x_embedder.proj", cells.reshape(R, -1, C * patch**2)) + w["pos_embed"]  # (R, T, D)
    waves = t[:, None] * 10000.0 ** (-torch.arange(128) / 128)  # by half, not by half - 1
    time = lin("t_embedder.mlp.0", torch.cat([waves.cos(), waves.sin()], 1))
    c = lin("t_embedder.mlp.2", torch.nn.functional.silu(time))
    c = torch.nn.functional.silu(c + w["y_embedder.embedding_table.weight"][y])[:, None]
    depth = 1 + max(int(name.split(".")[1]) for name in w if name.startswith("blocks."))
    D = z.shape[-1]
    for k in range(depth):
        b1, g1, a1, b2, g2, a2 = lin(f"blocks.{k}.adaLN_modulation.1", c).split(D, -1)
        q, key, v = (
            part.reshape(R, -1, heads, D // heads).transpose(1, 2)
            for part in lin(f"blocks.{k}.attn.qkv", norm(z) * (1 + g1) + b1).split(D, -1)
        )
        share = (q @ key.transpose(2, 3) / math.sqrt(D // heads)).softmax(-1)
        z = z + a1 * lin(f"blocks.{k}.attn.proj", (share @ v).transpose(1, 2).reshape(R, -1, D))
        inner = lin(f"blocks.{k}.mlp.fc1", norm(z) * (1 + g2) + b2)
        bent = 0.5 * inner * (1 + (math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)).tanh())
        z = z + a2 * lin(f"blocks.{k}.mlp.fc2", bent)
    shift, scale = lin("final_layer.adaLN_modulation.1", c).split(D, -1)
    out = lin("final_layer.linear", norm(z) * (1 + scale) + shift)
    out = out.reshape(R, H // patch, W // patch, patch, patch, -1)
    return out.permute(0, 5, 1, 3, 2, 4).reshape(R, -1, H, W)


@pytest.fixture(scope="module")
def authors(tmp_path_factory):
    models = tmp_path_factory.mktemp("official")
    (models / "official").mkdir()
    save_file(authors_weights(), models / "official" / "DiT-tiny.safetensors")
    small.vae().save_pretrained(models / "official" / "vae")
    return Studio(models)


def asked_of(studio):
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    t, y = [931.0, 12.0, 400.5], torch.tensor([0, 7, 10])
    return x, t, y, studio.checkpoint("official").predict(x, t, {"label": y})


def test_the_authors_weights_give_the_authors_outputs(authors):
    x, t, y, ours = asked_of(authors)
    expected = paper(authors_weights(), x, torch.tensor(t), y, heads=1)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


def test_the_library_s_formulas_can_be_asked_for(authors, tmp_path):
    import shutil

    models = shutil.copytree(authors.catalog["official"].folder.parent, tmp_path / "models")
    said = {"time_embedding": "diffusers", "guided_channels": 4, "classes": ["ash", "birch"]}
    (models / "official" / "studio.json").write_text(json.dumps(said))
    x, t, y, theirs = asked_of(Studio(models))
    expected = paper(authors_weights(), x, torch.tensor(t), y, heads=1)
    assert (theirs - expected).abs().max() > 0.01 * expected.abs().max()
    assert Studio(models).catalog["official"].classes == ("ash", "birch")


def test_the_authors_weights_guide_three_channels(authors):
    checkpoint = authors.checkpoint("official")
    assert (checkpoint.latent.guided, checkpoint.variance) == (3, "learned_range")
    recipe = {"model": "official", "label": 2, "steps": 5}
    three, all_ = (
        authors.alone(**recipe, guidance=Guidance(scale=4.0, channels=n)) for n in (0, 4)
    )
    assert not torch.allclose(three, all_)
    chosen = authors.alone(**recipe, guidance=Guidance(scale=4.0, channels=3))
    assert torch.equal(three, chosen)


def test_the_embedders_are_held_once(authors):
    network = authors.checkpoint("official").network
    stored = sum(v.numel() for name, v in authors_weights().items() if name != "pos_embed")
    assert sum(p.numel() for p in network.parameters()) == stored


@pytest.mark.parametrize(
    ("weights", "said", "words"),
    [
        ({"pos_embed": torch.zeros(1, 15, 48)}, {}, "shaped as none"),
        ({"y_embedder.embedding_table.weight": torch.zeros(1, 48)}, {}, "shaped as none"),
        ({"blocks.900.attn.proj.bias": torch.zeros(1)}, {}, "shaped as none"),
        ({}, {"time_embedding": "mine"}, "time embedding"),
        ({}, {"guided_channels": -1}, "guided"),
        ({}, {"classes": ["a"] * 11}, "classes"),
    ],
)
def test_authors_weights_that_make_no_sense_are_refused(tmp_path, weights, said, words):
    folder = tmp_path / "odd"
    folder.mkdir()
    save_file(authors_weights() | weights, folder / "weights.safetensors")
    (folder / "studio.json").write_text(json.dumps(said))
    small.vae().save_pretrained(folder / "vae")
    assert words in scan(tmp_path).refused["odd"]


def test_authors_weights_without_an_autoencoder_are_refused(tmp_path):
    (tmp_path / "bare").mkdir()
    save_file(authors_weights(), tmp_path / "bare" / "weights.safetensors")
    assert "autoencoder" in scan(tmp_path).refused["bare"]


def test_authors_weights_with_a_tensor_missing_are_refused(tmp_path):
    folder = tmp_path / "short"
    folder.mkdir()
    weights = authors_weights()
    del weights["blocks.1.attn.qkv.bias"]
    save_file(weights, folder / "weights.safetensors")
    small.vae().save_pretrained(folder / "vae")
    with pytest.raises(BadCheckpoint, match="lack 3 tensors"):
        Studio(tmp_path).checkpoint("short")
