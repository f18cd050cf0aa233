"""Adapters on XL as kohya writes them, LDM names and two encoders, against merged weights."""

import pytest
import torch
from safetensors.torch import save_file

from studio.checkpoints import adapters
from studio.checkpoints.adapted import Adapted, spelled
from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.inspect import inspect
from studio.checkpoints.load import load
from studio.checkpoints.lora_keys import from_ldm
from tests.checkpoints import lora_writer as write
from tests.checkpoints.small_sd import sdxl_folder

ASKED = Asked("a cat", size=(64, 64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return sdxl_folder(tmp_path_factory.mktemp("xl") / "tiny-xl")


@pytest.fixture(scope="module")
def base(folder):
    return load(inspect(folder), "cpu", lambda doing, share: None, {})


def stock(folder):
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    return (
        UNet2DConditionModel.from_pretrained(folder / "unet").eval(),
        CLIPTextModel.from_pretrained(folder / "text_encoder").eval(),
        CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2").eval(),
    )


def in_ldm(found):
    """The factors under LDM's names of blocks, found by trying them."""
    names = {}
    for side in ("input", "output"):
        for block in range(8):
            for name in found:
                rest = name.split("attentions.0.")[-1].split("attentions.1.")[-1].replace(".", "_")
                ldm = f"{side}_blocks_{block}_1_{rest}"
                if from_ldm(ldm, 1) == name.replace(".", "_"):
                    names[ldm] = found[name]
    return names


def read(base, text, model):
    ids = text.tokenizer("a cat", padding="max_length", max_length=text.length, return_tensors="pt")
    return model(ids.input_ids, output_hidden_states=True)


def apart(a, b):
    return float((a - b).abs().max() / b.abs().max())


@torch.no_grad()
def test_the_unet_and_both_encoders_answer_as_with_merged_weights(base, folder, tmp_path):
    unet, first, second = stock(folder)
    attention = write.factors(unet, ("attn1.to_q", "attn1.to_v", "attn2.to_k", "proj_in"), 1, 0.1)
    attention = {name: pair for name, pair in attention.items() if "mid_block" not in name}
    texts = [write.factors(model, ("q_proj", "fc1"), 2, 0.1) for model in (first, second)]
    named = in_ldm(attention)
    assert len(named) == len(attention)
    parts = {"lora_unet": named, "lora_te1": texts[0], "lora_te2": texts[1]}
    entry = adapters.describe(write.kohya(tmp_path / "xl.safetensors", parts))
    adapters.check_fit(entry, base.entry)
    adapted = Adapted(base)
    worn = ((adapted.attach(entry), 0.9),)
    plain = base.encode(ASKED)
    x, t = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5)), [500.0]
    with adapted.wearing([worn]):
        encoded = base.encode(ASKED)
        ours = base.predict(x, t, stack([encoded]))
    for network, found in ((unet, attention), (first, texts[0]), (second, texts[1])):
        write.merge(network, found, 0.9)
    outs = [
        read(base, text, model) for text, model in zip(base.texts, (first, second), strict=True)
    ]
    context = torch.cat([out.hidden_states[-2][0] for out in outs], -1)
    assert apart(encoded["context"], context) < 1e-4
    assert apart(encoded["pooled"], outs[1].text_embeds[0]) < 1e-4
    added = {"text_embeds": encoded["pooled"][None], "time_ids": encoded["told"][None]}
    theirs = unet(x, torch.tensor(t), context[None], added_cond_kwargs=added).sample
    assert apart(ours, theirs) < 1e-4
    assert apart(base.predict(x, t, stack([plain])), theirs) > 1e-3
    assert torch.equal(base.encode(ASKED)["context"], plain["context"])


@torch.no_grad()
def test_a_learned_word_reaches_both_encoders_and_the_pooled_vector(base, folder, tmp_path):
    _, first, second = stock(folder)
    vectors = {"clip_l": torch.randn(1, 64), "clip_g": torch.randn(1, 128)}
    save_file(vectors, tmp_path / "mug.safetensors")
    entry = adapters.describe(tmp_path / "mug.safetensors")
    adapters.check_fit(entry, base.entry)
    adapted = Adapted(base)
    worn = ((adapted.attach(entry), 1.0),)
    with adapted.wearing([worn]):
        ours = base.encode(Asked(spelled("mug", worn), size=(64, 64)))
    outs = []
    for text, model, stored in zip(base.texts, (first, second), vectors.values(), strict=True):
        ids = text.tokenizer("", padding="max_length", max_length=text.length, return_tensors="pt")
        row = ids.input_ids.clone()
        row[0, 2:] = row[0, 1:-1].clone()  # a place for the word, before the end
        row[0, 1] = 0
        model.get_input_embeddings().weight[0] = stored[0]
        outs.append(model(row, output_hidden_states=True))
    context = torch.cat([out.hidden_states[-2][0] for out in outs], -1)
    assert apart(ours["context"], context) < 1e-4
    assert apart(ours["pooled"], outs[1].text_embeds[0]) < 1e-4
