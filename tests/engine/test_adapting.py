"""Adapters, learned words and other autoencoders in the engine, on and off with each run."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.adapting import Adapter
from studio.checkpoints import adapters
from studio.checkpoints.autoencoders import autoencoder, tiny_decoder
from studio.checkpoints.catalog import scan
from studio.checkpoints.layouts.ldm import VAE
from studio.contract import Finished, View
from studio.engine import batcher, decode, offers
from studio.engine.recording import Shelf
from studio.engine.residents import Residents
from studio.engine.rows import even, rows
from studio.engine.run import Run
from studio.engine.ticket import Ticket
from studio.errors import BadRequest, NotFound, StudioError
from studio.settings import Settings
from tests.checkpoints import lora_writer as write
from tests.checkpoints.ldm_writer import vae_file
from tests.engine.tiny import sd_folder
from tests.engine.watching import request

STEPS = 3


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from transformers import BertModel

    models = tmp_path_factory.mktemp("models")
    base = sd_folder(models / "random", "epsilon")
    other = sd_folder(tmp_path_factory.mktemp("other") / "another", "epsilon", seed=9)
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    text = BertModel.from_pretrained(base / "text_encoder", add_pooling_layer=False)
    both = {
        "lora_unet": write.factors(unet, write.ATTENTION + write.CONVOLUTIONS, seed=1),
        "lora_te": write.factors(text, write.BERT, seed=2),
    }
    write.kohya(models / "style.safetensors", both)
    more = {"unet": write.factors(unet, write.ATTENTION, seed=3)}
    write.diffusers(models / "line.safetensors", more)
    vectors = torch.randn(2, 16, generator=torch.Generator().manual_seed(4))
    save_file({"<mug>": vectors}, models / "mug.safetensors")
    shutil.copytree(other / "vae", models / "other-vae")
    tiny = AutoencoderTiny.from_pretrained(other / "preview")
    tiny.save_pretrained(models / "tiny")
    write_merged(models / "merged", base, unet, text, both, more)
    return models


def write_merged(folder, base, unet, text, both, more):
    """The base with style at 0.8 and line at -0.5 in its weights, as another checkpoint."""
    shutil.copytree(base, folder)
    write.merge(unet, both["lora_unet"], 0.8)
    write.merge(unet, more["unet"], -0.5)
    write.merge(text, both["lora_te"], 0.8)
    unet.save_pretrained(folder / "unet")
    text.save_pretrained(folder / "text_encoder")


@pytest.fixture(scope="module")
def residents(models):
    return Residents(Settings(models=models), scan(models), "cpu")


def begin(residents, asked, view=None):
    resolved = offers.resolve(asked, residents.catalog)
    ticket = Ticket(resolved, view or View(preview="off"))
    ticket.recording = Shelf(2**24).new()
    checkpoint = residents.get(resolved.model, lambda doing, share: None)
    wears = residents.wardrobe.wears(checkpoint, resolved.adapters)
    asked_rows = even(wears.spelled(rows(resolved)), checkpoint)
    conditions = {n: residents.condition(checkpoint, a, wears) for n, a in asked_rows.items()}
    painter = residents.painter(resolved.model)
    checkpoint, painter = residents.wardrobe.dressed(
        checkpoint, painter, resolved.vae, ticket.view.tiny
    )
    return Run(ticket, checkpoint, painter, conditions, wears=wears)


def together(*runs):
    """The final states, the runs asked in shared forwards."""
    while going := [run for run in runs if run.ask is not None]:
        assert len(batcher.choose(going, lambda run: 64)) == len(going)
        answers, _, _ = batcher.ask(going, 64)
        for run, (raw, names) in zip(going, answers, strict=True):
            run.take(raw, names, 1.0, len(going) - 1)
    return [run.state for run in runs]


def apart(a, b):
    return float((a - b).abs().max() / b.abs().max())


def asked(**fields):
    return request(**{"steps": STEPS, "prompt": "a red disc"} | fields)


WORN = (Adapter("style", 0.8), Adapter("line", -0.5))


def test_in_a_mixed_batch_each_run_has_its_own_adapters_and_the_plain_one_its_own_bits(residents):
    alone = together(begin(residents, asked()))[0]
    mixed = together(
        begin(residents, asked(adapters=WORN)),
        begin(residents, asked()),
        begin(residents, asked(adapters=(Adapter("line", 1.0),))),
    )
    merged = together(begin(residents, asked(model="merged")))[0]
    assert apart(mixed[0], merged) < 1e-4
    assert apart(merged, alone) > 0.01
    assert apart(mixed[1], alone) < 1e-4
    assert apart(mixed[2], alone) > 0.01
    assert torch.equal(together(begin(residents, asked()))[0], alone)


def test_a_tag_in_the_prompt_is_an_adapter(residents):
    written = asked().with_(prompt="a red disc <lora:style:0.8><lora:line:-0.5>")
    resolved = offers.resolve(written, residents.catalog)
    assert (resolved.prompt, resolved.adapters) == ("a red disc", WORN)
    assert offers.resolve(resolved, residents.catalog) == resolved


def test_a_learned_word_stands_for_its_vectors_where_it_is_named(residents, models):
    """Against the encoder with the two vectors put in by hand as its words' embeddings."""
    from transformers import BertModel

    worn = asked().with_(prompt="a <mug> red", adapters=(Adapter("mug", 1.0),))
    run = begin(residents, worn)
    text = BertModel.from_pretrained(models / "random/text_encoder", add_pooling_layer=False).eval()
    tokenizer = residents.get("random", lambda doing, share: None).text.tokenizer
    laid = tokenizer("a of of red", padding="max_length", max_length=12, return_tensors="pt")
    with torch.no_grad():
        embeds = text.get_input_embeddings()(laid.input_ids)
        embeds[0, 2:4] = load_file(models / "mug.safetensors")["<mug>"]
        theirs = text(inputs_embeds=embeds)[0][0]
    assert apart(run.conditions["cond"]["context"], theirs) < 1e-4
    without = begin(residents, asked().with_(prompt="a <mug> red"))
    unknown = residents.get("random", lambda doing, share: None).text.hidden("a <mug> red")
    assert torch.equal(without.conditions["cond"]["context"], unknown)
    assert apart(unknown, theirs) > 0.01


def test_an_inversion_whose_word_is_not_there_is_told_of(residents):
    run = begin(residents, asked(adapters=(Adapter("mug"),)))
    assert run.said == ("The textual inversion mug did nothing: no prompt has its word <mug>.",)


def test_another_autoencoder_decodes_and_embeds(residents, models):
    from diffusers import AutoencoderKL

    run = begin(residents, asked(vae="other-vae"))
    state = together(run)[0]
    assert torch.equal(state, together(begin(residents, asked()))[0])
    vae = AutoencoderKL.from_pretrained(models / "other-vae").eval()
    with torch.no_grad():
        theirs = vae.decode(state / vae.config.scaling_factor).sample
        picture = torch.linspace(-1, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
        states = vae.encode(picture).latent_dist.mean * vae.config.scaling_factor
    assert apart(run.checkpoint.decode(state), theirs) < 1e-4
    assert apart(run.checkpoint.embed(picture), states) < 1e-4
    assert decode.picture(run.checkpoint, state).shape == (64, 64, 3)


@pytest.mark.parametrize("name", ["tiny", "one-file", "taesd"])
def test_a_tiny_autoencoder_draws_the_previews(residents, models, tmp_path, name):
    from diffusers import AutoencoderTiny

    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    if name == "tiny":
        theirs = AutoencoderTiny.from_pretrained(models / "tiny").eval()
        drawn = begin(residents, asked(), View(preview="tiny", tiny="tiny")).checkpoint.tiny
    else:  # one file has no configuration, and so TAESD's own widths
        theirs = AutoencoderTiny().eval()
        stored = {k: v for k, v in theirs.state_dict().items() if k.startswith("decoder.")}
        if name == "taesd":
            stored = {taesd(k): v for k, v in stored.items()}
        save_file(stored, tmp_path / f"{name}.safetensors")
        entry = adapters.describe(tmp_path / f"{name}.safetensors")
        drawn = tiny_decoder(entry, residents.get("random", lambda doing, share: None))
    with torch.no_grad():
        assert apart(drawn(x), theirs.decode(x).sample) < 1e-4


def taesd(name):
    """decoder.layers.2.conv.0.weight → 3.conv.0.weight: TAESD's own list begins with a clamp."""
    _, _, number, rest = name.split(".", 3)
    return f"{int(number) + 1}.{rest}"


@pytest.mark.parametrize("prefix", ["", "first_stage_model."])
def test_an_ldm_autoencoder_in_one_file_decodes_as_the_network_of_it(residents, tmp_path, prefix):
    from diffusers import AutoencoderKL

    whole = AutoencoderKL(
        block_out_channels=(32,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    ).eval()
    stored = vae_file(whole.state_dict(), 4)
    named = {prefix + k.removeprefix(VAE): v.contiguous() for k, v in stored.items()}
    save_file(named, tmp_path / "sharp.safetensors")
    entry = adapters.describe(tmp_path / "sharp.safetensors")
    base = residents.get("random", lambda doing, share: None)
    adapters.check_fit(entry, base.entry)
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = whole.decode(x / base.latent.scale).sample
    assert apart(autoencoder(entry, base).decode(x), theirs) < 1e-4


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"adapters": (Adapter("nowhere"),)}, NotFound, "There is no adapter “nowhere” here"),
        ({"adapters": (Adapter("tiny"),)}, BadRequest, "tiny is no LoRA and no textual inversion"),
        ({"vae": "style"}, BadRequest, "style is no whole autoencoder"),
    ],
)
def test_what_cannot_be_worn_is_refused_in_words(residents, fields, error, said):
    with pytest.raises(error, match=said):
        offers.resolve(asked(**fields), residents.catalog)


def test_through_the_engine_a_run_tells_its_adapters_and_wears_them(models):
    from studio.engine.engine import LocalEngine

    engine = LocalEngine(Settings(models=models, threads=1)).start(warm=False)
    try:
        assert {info.id: info.kind for info in engine.adapting.adapters()} == {
            "line": "lora", "style": "lora", "mug": "embedding", "tiny": "tiny", "other-vae": "vae",
        }  # fmt: skip
        assert engine.adapting.fits("style", "random") == ""
        hashes = {}
        for worn in ((), WORN, ()):
            run = engine.submit(asked(adapters=worn), View(preview="off"))
            finished = list(engine.events(run, timeout=120))[-1]
            assert isinstance(finished, Finished), finished
            assert finished.request.adapters == worn
            hashes.setdefault(worn, set()).add(finished.pixels_sha256)
        assert len(hashes[()]) == 1
        assert hashes[()] != hashes[WORN]
        with pytest.raises(StudioError):
            engine.submit(asked(), View(tiny="style"))
    finally:
        engine.close()
