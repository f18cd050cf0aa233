"""Low-rank adapters against weights merged by hand, on networks that are packed and fused."""

import pytest
import torch

from studio.checkpoints import adapters
from studio.checkpoints.adapted import Adapted
from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.inspect import inspect
from studio.checkpoints.load import load
from tests.checkpoints import lora_writer as write
from tests.engine import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.sd_folder(tmp_path_factory.mktemp("base") / "tiny-sd")


@pytest.fixture(scope="module")
def base(folder):
    return load(inspect(folder), "cpu", lambda doing, share: None, {})


def merged(folder, **parts):
    """The stock networks with (factors, weight, α) merged into their plain weights."""
    from diffusers import UNet2DConditionModel
    from transformers import BertModel

    unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    text = BertModel.from_pretrained(folder / "text_encoder", add_pooling_layer=False).eval()
    for network, name in ((unet, "unet"), (text, "text_encoder")):
        for found in parts.get(name, ()):
            write.merge(network, *found)
    return unet, text


def stock_unet(folder):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(folder / "unet").eval()


def inputs(base):
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    context = stack([base.encode(Asked("red disc")), base.encode(Asked("blue bar"))] * 2)
    return x, [900.0, 400.0, 30.0], {k: v[:3] for k, v in context.items()}


def apart(a, b):
    return float((a - b).abs().max() / b.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("how", ["kohya", "diffusers"])
@pytest.mark.parametrize("which", [write.ATTENTION, write.CONVOLUTIONS], ids=["linear", "conv"])
def test_the_unet_answers_as_with_merged_weights(base, folder, tmp_path, how, which):
    found = write.factors(stock_unet(folder), which, seed=1)
    file = tmp_path / f"{how}.safetensors"
    if how == "kohya":
        entry = adapters.describe(write.kohya(file, {"lora_unet": found}))
    else:
        entry = adapters.describe(write.diffusers(file, {"unet": found}))
    adapters.check_fit(entry, base.entry)
    adapted = Adapted(base)
    worn = ((adapted.attach(entry), 0.7),)
    x, t, conditions = inputs(base)
    plain = base.predict(x, t, conditions)
    with adapted.wearing([worn] * 3):
        ours = base.predict(x, t, conditions)
    unet, _ = merged(folder, unet=[(found, 0.7)])
    theirs = unet(x, torch.tensor(t), conditions["context"]).sample
    assert apart(theirs, plain) > 0.01
    assert apart(ours, theirs) < 1e-4
    assert torch.equal(base.predict(x, t, conditions), plain)


@torch.no_grad()
def test_each_row_of_a_forward_wears_its_own(base, folder, tmp_path):
    first = write.factors(stock_unet(folder), write.ATTENTION, seed=1)
    second = write.factors(stock_unet(folder), write.ATTENTION + write.CONVOLUTIONS, seed=2)
    adapted = Adapted(base)
    a = adapted.attach(
        adapters.describe(write.kohya(tmp_path / "a.safetensors", {"lora_unet": first}))
    )
    b = adapted.attach(
        adapters.describe(write.diffusers(tmp_path / "b.safetensors", {"unet": second}))
    )
    x, t, conditions = inputs(base)
    with adapted.wearing([((a, 0.5), (b, -0.4)), (), ((b, 1.0),)]):
        ours = base.predict(x, t, conditions)
    for row, worn in enumerate([[(first, 0.5), (second, -0.4)], [], [(second, 1.0)]]):
        unet, _ = merged(folder, unet=worn)
        context = conditions["context"][row : row + 1]
        theirs = unet(x[row : row + 1], torch.tensor(t[row : row + 1]), context).sample
        assert apart(ours[row : row + 1], theirs) < 1e-4


@torch.no_grad()
def test_the_text_encoder_reads_as_with_merged_weights(base, folder, tmp_path):
    _, text = merged(folder)
    found = write.factors(text, write.BERT, seed=3)
    entry = adapters.describe(write.kohya(tmp_path / "t.safetensors", {"lora_te": found}))
    adapters.check_fit(entry, base.entry)
    adapted = Adapted(base)
    worn = ((adapted.attach(entry), 1.2),)
    asked = Asked("a (red:1.3) disc")
    plain = base.encode(asked)["context"]
    with adapted.wearing([worn]):
        ours, simple = base.encode(asked)["context"], base.encode(Asked("a red disc"))["context"]
    _, text = merged(folder, text_encoder=[(found, 1.2)])
    tokens = base.text.tokenizer(
        "a red disc", padding="max_length", max_length=12, return_tensors="pt"
    )
    theirs = text(tokens.input_ids)[0][0]
    assert apart(simple, theirs) < 1e-4
    assert apart(simple, base.encode(Asked("a red disc"))["context"]) > 0.01
    empty = base.text.tokenizer("", padding="max_length", max_length=12, return_tensors="pt")
    still = text(empty.input_ids)[0][0]
    at = tokens.input_ids[0].tolist().index(base.text.tokenizer.convert_tokens_to_ids("red"))
    expected = still[at] + 1.3 * (theirs[at] - still[at])
    assert apart(ours[at], expected) < 1e-4
    assert torch.equal(base.encode(asked)["context"], plain)
