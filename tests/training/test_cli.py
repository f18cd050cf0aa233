"""Every recipe's smoke configuration in turn, to a folder that plain diffusers opens."""

import argparse
import hashlib
import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    DiTPipeline,
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    StableDiffusionPipeline,
)
from safetensors.torch import load_file
from transformers import BertModel, BertTokenizer

from studio.contract import Guidance
from studio.diffusion.noise import KeyedNoise
from studio.engine import offers
from studio.errors import BadData
from studio.training import cli, flow
from studio.training.ablation_report import TABLES
from studio.training.unet import SCHEDULE
from tests.checkpoints.parity import Studio, assert_same, visiting


def train(*words: object) -> int:
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    return cli.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def made(packed, teacher, tmp_path_factory) -> Path:
    """All recipes run once: runs/ and models/ below this folder."""
    folder = tmp_path_factory.mktemp("made")
    where = [
        "--config",
        "smoke",
        "--data",
        packed,
        "--runs",
        folder / "runs",
        "--out",
        folder / "models",
    ]
    threads = torch.get_num_threads()
    train("text", *where, "--teacher", teacher)
    for recipe in ("vae", "decoder", "preview"):
        assert train(recipe, *where) == 0
    assert train("unet", *where, "--keep-every", 2) == 0
    for recipe in ("exact", "export"):
        assert train(recipe, *where) == 0
    assert train("export", *where, "--kept", "unet") == 0
    for recipe in ("dit", "flow"):
        assert train(recipe, *where, "--keep-every", 1) == 0
        assert train("export", *where, "--kept", recipe) == 0
    for kind in ("blocks", "ddpm", "reflow", "ideas"):
        assert train("ablation", *where, "--kind", kind) == 0
    for kind in ("canny", "scribble"):
        assert train("control", *where, "--kind", kind) == 0
        assert train("export", *where, "--control", kind) == 0
    torch.set_num_threads(threads)
    return folder


def test_the_exported_folder_opens_in_plain_diffusers_and_draws(made):
    pipe = StableDiffusionPipeline.from_pretrained(made / "models" / "icons-unet")
    pipe.set_progress_bar_config(disable=True)
    draw = {"num_inference_steps": 2, "output_type": "np"}
    first, again = (
        pipe("red apple", generator=torch.Generator().manual_seed(3), **draw).images[0]
        for _ in range(2)
    )
    assert first.shape == (128, 128, 3) and np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


def test_the_export_is_float16_below_ten_megabytes_and_names_no_folder_of_the_machine(made):
    folder = made / "models" / "icons-unet"
    for path in folder.rglob("*.safetensors"):
        assert {t.dtype for t in load_file(path).values() if t.is_floating_point()} == {
            torch.float16
        }
        assert path.stat().st_size < 10_000_000
    for path in folder.rglob("*.json"):
        assert str(made) not in path.read_text()


def test_the_text_encoder_says_float32_and_that_it_wants_the_mask(made):
    said = json.loads((made / "models/icons-unet/text_encoder/config.json").read_text())
    assert said["dtype"] == "float32" and said["use_attention_mask"] is True


def test_the_preview_decoder_makes_pictures_of_the_same_size(made):
    tiny = AutoencoderTiny.from_pretrained(
        made / "models/icons-unet/preview", torch_dtype=torch.float32
    )
    assert tiny.decode(torch.zeros(1, 8, 16, 16)).sample.shape == (1, 3, 128, 128)


def test_the_card_names_sources_licences_and_figures(made):
    card = (made / "models/icons-unet/README.md").read_text()
    for said in ("A Painter", "https://example.org/mit", "PSNR", "all-MiniLM-L6-v2", "emojibase"):
        assert said in card
    assert (made / "models/icons-unet/images/samples.png").is_file()
    assert (made / "models/icons-unet/images/loss.png").is_file()


def test_concepts_json_lists_what_the_denoiser_saw(made):
    names = json.loads((made / "models/icons-unet/concepts.json").read_text())
    assert "red apple" in names and names == sorted(names)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("unet", StableDiffusionPipeline),
        ("dit", DiTPipeline),
        ("flow", PixArtAlphaPipeline),
    ],
)
def test_weights_kept_on_the_way_are_folders_and_the_last_is_what_was_exported(made, name, kind):
    folders = sorted((made / "runs" / name / "kept").glob(f"{name}-*"))
    part = "unet" if name == "unet" else "transformer"
    places = (folders[0], folders[-1], made / "models" / f"icons-{name}")
    first, last, end = (getattr(kind.from_pretrained(at), part).state_dict() for at in places)
    assert len(folders) == 2
    assert all(torch.equal(last[key], end[key]) for key in end)
    assert not all(torch.equal(first[key], end[key]) for key in end)
    assert (folders[0] / ("concepts.json" if name == "unet" else "studio.json")).is_file()


def test_a_run_that_kept_nothing_is_told_how_to_keep(packed, made, tmp_path):
    where = ["--config", "smoke", "--data", packed, "--runs", tmp_path, "--out", made / "models"]
    with pytest.raises(BadData, match="--keep-every"):
        train("export", *where, "--kept", "unet")


def test_exact_icons_holds_the_pictures_losslessly(made, icons):
    from PIL import Image

    folder = made / "models" / "exact-icons"
    said = json.loads((folder / "exact.json").read_text())
    sheet = np.asarray(Image.open(folder / said["sheets"][0]))
    styles = {icons.style(record): record.set for record in icons.records}
    for i, picture in enumerate(said["pictures"]):
        y, x = divmod(i, said["columns"])
        tile = sheet[y * 128 : y * 128 + 128, x * 128 : x * 128 + 128]
        key = (styles[picture["style"]], picture["concept"])
        row = next(n for n, r in enumerate(icons.records) if (r.set, r.concept) == key)
        np.testing.assert_array_equal(tile, icons.pixels[row])


def test_exact_icons_embeddings_fit_its_captions(made):
    folder = made / "models" / "exact-icons"
    vectors = load_file(folder / "captions.safetensors")["embeddings"]
    assert vectors.dtype == torch.float16
    assert len(vectors) == len(json.loads((folder / "exact.json").read_text())["pictures"])
    torch.testing.assert_close(
        vectors.float().norm(dim=1), torch.ones(len(vectors)), atol=2e-3, rtol=0
    )


def test_the_class_model_opens_in_plain_diffusers_and_draws_a_class_by_name(made):
    pipe = DiTPipeline.from_pretrained(made / "models/icons-dit", dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    assert len(pipe.labels) >= 6
    g = torch.Generator().manual_seed(0)
    asked = pipe.get_label_ids(["red apple"])
    picture = pipe(asked, num_inference_steps=2, generator=g, output_type="np").images[0]
    assert picture.shape == (128, 128, 3) and np.isfinite(picture).all()


def test_the_flow_opens_in_plain_diffusers_and_draws_a_prompt(made):
    folder = made / "models/icons-flow"
    pipe = PixArtAlphaPipeline.from_pretrained(folder, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    g = torch.Generator().manual_seed(0)
    kind = {"num_inference_steps": 2, "use_resolution_binning": False, "output_type": "np"}
    picture = pipe("red apple", generator=g, **kind).images[0]
    assert picture.shape == (128, 128, 3) and np.isfinite(picture).all()


def test_padding_further_leaves_a_prompts_states_as_they_were(made):
    folder = made / "models"
    short, long = (
        BertModel.from_pretrained(where, dtype=torch.float32).eval()
        for where in (made / "runs/text/export/text_encoder", folder / "icons-flow/text_encoder")
    )
    assert (short.config.max_position_embeddings, long.config.max_position_embeddings) == (32, 120)
    tokens = BertTokenizer.from_pretrained(folder / "icons-unet" / "tokenizer")
    states = []
    for model, length in ((short, 32), (long, 120)):
        read = tokens("red apple", padding="max_length", max_length=length, return_tensors="pt")
        with torch.no_grad():
            found = model(read["input_ids"], attention_mask=read["attention_mask"])[0]
        states.append(found[0, : int(read["attention_mask"].sum())])
    torch.testing.assert_close(*states, atol=2e-3, rtol=1e-2)


@pytest.mark.parametrize("name", ["icons-dit", "icons-flow"])
def test_a_transformers_card_names_its_sources(made, name):
    card = (made / "models" / name / "README.md").read_text()
    assert "A Painter" in card and "2 steps of 4 pictures" in card
    assert (made / "models" / name / "images" / "samples.png").is_file()


def test_the_comparisons_fill_a_documents_tables(made, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- {name} -->\n\n<!-- / -->\n" for name in TABLES))
    where = ["--runs", made / "runs", "--docs", tmp_path]
    assert train("ablation", "--config", "smoke", *where) == 0
    text = page.read_text()
    for said in ("| cross-attention, patch 4 |", "| cosine, learned |", "| reflow |", "2 steps"):
        assert said in text
    assert "nan" not in text and (tmp_path / "images" / "blocks.png").is_file()


@pytest.mark.parametrize("kind", ["canny", "scribble"])
def test_a_control_opens_in_plain_diffusers_and_names_its_base(made, kind):
    folder = made / "models" / f"icons-control-{kind}"
    network = ControlNetModel.from_pretrained(folder, dtype=torch.float32)
    assert network.config.block_out_channels == [8, 16, 16]
    said = json.loads((folder / "studio.json").read_text())["control"]
    assert said["kind"] == said["preprocessor"] == kind and said["size"] == 128
    shards = sorted((made / "models/icons-unet/unet").glob("*.safetensors"))
    whole = b"".join(path.read_bytes() for path in shards)
    assert said["base_sha256"] == hashlib.sha256(whole).hexdigest()
    assert str(made) not in (folder / "config.json").read_text()


def test_a_controls_card_has_figures_with_their_number_and_the_sources(made):
    card = (made / "models/icons-control-canny/README.md").read_text()
    for said in ("| 2 held-out hints |", "edges, F1", "nearest 5", "A Painter", "SHA-256"):
        assert said in card
    assert (made / "models/icons-control-canny/images/samples.png").is_file()
    assert (made / "models/icons-control-canny/images/loss.png").is_file()


def test_a_control_without_its_base_says_which_comes_first(packed, tmp_path):
    where = ["--config", "smoke", "--data", packed, "--runs", tmp_path, "--out", tmp_path]
    with pytest.raises(BadData, match="run `python -m studio train export` first"):
        train("control", *where)


def test_a_recipe_that_is_asked_too_early_says_which_comes_first(packed, tmp_path):
    with pytest.raises(BadData, match="run `python -m studio train vae` first"):
        train("unet", "--config", "smoke", "--data", packed, "--runs", tmp_path)


def test_data_from_a_folder_without_archives_says_so(tmp_path):
    with pytest.raises(BadData, match="is not in"):
        train("data", "--data", tmp_path / "icons.zip", "--from", tmp_path)


def test_data_from_what_is_no_folder_says_so(tmp_path):
    with pytest.raises(BadData, match="is not a folder"):
        train("data", "--data", tmp_path / "icons.zip", "--from", tmp_path / "nowhere")


def test_data_says_that_it_is_up_to_date(packed, world, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("studio.training.dataset.is_packed", lambda *_, **__: True)
    assert train("data", "--data", packed, "--sheet", tmp_path / "sheet.png") == 0
    assert "up to date" in capsys.readouterr().out
    assert (tmp_path / "sheet.png").is_file()


@pytest.fixture(scope="module")
def opened(made) -> Studio:
    return Studio(made / "models")


def test_the_studio_opens_the_transformers_with_a_first_recipe_and_names(made, opened):
    catalog, names = opened.catalog, set()
    for id, family in (("icons-dit", "dit"), ("icons-flow", "pixart")):
        entry = catalog[id]
        first = offers.defaults(entry)
        assert (entry.family, entry.licence, entry.prediction != "epsilon") == (family, "MIT", True)
        assert first.prompt == entry.examples[0]
        assert (first.steps, first.guidance.scale) == (20, 3.5)
        assert "6 everyday things" in entry.knows
        names |= {opened.checkpoint(id).nearest("red apple", 1)[0][0].split(",")[0]}
        assert opened.checkpoint(id).known("red apple")
    assert names == {"red apple"}
    assert len(catalog["icons-dit"].classes) == 6  # of 1,000 rows


def test_the_transformers_previews_are_the_denoisers(made, opened):
    file = "preview/diffusion_pytorch_model.safetensors"
    whole = (made / "models/icons-unet" / file).read_bytes()
    for id in ("icons-dit", "icons-flow"):
        assert (made / "models" / id / file).read_bytes() == whole
        assert opened.checkpoint(id).tiny(torch.zeros(1, 8, 16, 16)).shape == (1, 3, 128, 128)


def test_parts_that_are_the_denoisers_are_stored_once(made):
    vae, text = "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
    for id, shared in (("icons-dit", [vae]), ("icons-flow", [text, vae])):
        folder = made / "models" / id
        links = [path for path in folder.rglob("*.safetensors") if path.is_symlink()]
        assert sorted(str(path.relative_to(folder)) for path in links) == shared
        for path in links:
            assert path.resolve() == made / "models/icons-unet" / path.relative_to(folder)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m"])
def test_the_exported_class_model_draws_what_diffusers_own_pipeline_does(made, opened, sampler):
    pipe = DiTPipeline.from_pretrained(made / "models/icons-dit", dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    kind = {"ddim": DDIMScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}[sampler]
    takes = inspect.signature(kind.__init__).parameters
    config = {key: value for key, value in SCHEDULE.items() if key in takes}
    path = opened.checkpoint("icons-dit").path
    pipe.scheduler = visiting(kind, path, 4, "trailing", **config)
    pipe([1], 3.5, torch.Generator().manual_seed(3), 4, output_type="pt")
    asked = {"model": "icons-dit", "label": 1, "seed": 3, "steps": 4, "sampler": sampler}
    ours = opened.alone(**asked, guidance=Guidance(scale=3.5))
    assert_same(ours, pipe.scheduler.last[:1])


def test_the_exported_flow_draws_what_diffusers_own_pipeline_does(made, opened):
    pipe = PixArtAlphaPipeline.from_pretrained(made / "models/icons-flow", dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    path, solver = opened.checkpoint("icons-flow").path, DPMSolverMultistepScheduler
    pipe.scheduler = visiting(solver, path, 4, "trailing", **flow.SCHEDULE)
    theirs = pipe(
        "red apple",
        guidance_scale=3.5,
        num_inference_steps=4,
        latents=KeyedNoise([3], (8, 16, 16)).first(),
        use_resolution_binning=False,
        output_type="latent",
    ).images
    asked = {"model": "icons-flow", "prompt": "red apple", "seed": 3, "steps": 4}
    ours = opened.alone(**asked, sampler="dpmpp_2m", guidance=Guidance(scale=3.5))
    assert_same(ours, theirs)
