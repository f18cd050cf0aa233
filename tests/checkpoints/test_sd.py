import pytest
import torch
from transformers import BertTokenizer

from studio.checkpoints.catalog import scan
from studio.checkpoints.conditions import Asked, some, stack
from studio.checkpoints.load import load
from studio.checkpoints.packed import PackedConv2d


@pytest.fixture(scope="module")
def random(made):
    return load(scan(made)["random"], "cpu", lambda doing, share: None, {})


def test_loading_tells_how_far_it_is(made):
    told = []
    load(scan(made)["random"], "cpu", lambda doing, share: told.append((doing, share)), {})
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert "reading the UNet" in [doing for doing, _ in told]


def test_a_condition_is_the_text_encoders_padded_states(random, made):
    from transformers import BertModel

    folder = made / "random"
    tokenizer = BertTokenizer.from_pretrained(folder / "tokenizer")
    model = BertModel.from_pretrained(folder / "text_encoder").eval()
    tokens = tokenizer("red disc", padding="max_length", max_length=12, return_tensors="pt")
    with torch.no_grad():
        expected = model(tokens.input_ids)[0][0]
    assert torch.allclose(random.encode(Asked("red disc"))["context"], expected, atol=1e-6)


def test_rows_at_different_times_are_answered_each_at_its_own(random):
    x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    conditions = stack([random.encode(Asked("red disc")), random.encode(Asked())])
    both = random.predict(x, [900.0, 12.5], conditions)
    first = random.predict(x[:1], [900.0], some(conditions, slice(0, 1)))
    second = random.predict(x[1:], [12.5], some(conditions, slice(1, 2)))
    assert torch.allclose(both, torch.cat([first, second]), atol=1e-5)


def test_states_are_scaled_as_the_vae_says(random):
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        mean = random.vae.encode(pictures).latent_dist.mean
        expected = random.vae.decode(mean, return_dict=False)[0]
    assert torch.allclose(random.embed(pictures), mean * 0.7, atol=1e-5)
    assert torch.allclose(random.decode(mean * 0.7), expected, atol=1e-4)


def test_a_prompt_that_is_too_long_gets_a_note(random):
    (note,) = random.notes("red disc " * 10)
    assert "were not read" in note
    assert random.notes("red disc") == ()


def test_nothing_asks_for_a_gradient(random):
    conditions = stack([random.encode(Asked())])
    assert not random.predict(torch.zeros(1, 4, 8, 8), [5.0], conditions).requires_grad


def test_convolutions_are_packed_on_the_cpu(random):
    assert any(isinstance(module, PackedConv2d) for module in random.unet.modules())
