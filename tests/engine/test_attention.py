"""What is given to each token: against softmax by hand, and the library's own attention classes."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from studio.checkpoints.conditions import Asked, stack
from studio.checkpoints.spoken import Said, said
from studio.checkpoints.weighting import lay
from studio.engine.engine import LocalEngine
from studio.engine.lab_attention import heats, tokens_of
from studio.engine.lab_heeding import Heeded, Readers, given, heeding, readers
from studio.engine.lab_map import network
from studio.errors import BadRequest
from studio.settings import Settings
from tests.checkpoints import small
from tests.engine.tiny import exact_folder, sd_folder

PROMPT = "a red disc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    models = tmp_path_factory.mktemp("attention")
    exact_folder(models / "shapes")
    sd_folder(models / "random")
    small.pixart_folder(models / "pixart")
    small.sd3_folder(models / "sd3")
    small.dit_folder(models / "dit")
    return models


@pytest.fixture(scope="module")
def engine(folder):
    made = LocalEngine(Settings(models=folder, more_models=folder / "none", threads=1))
    yield made.start(warm=False)
    made.close()


@pytest.fixture(scope="module")
def picture():
    out = io.BytesIO()
    Image.fromarray((np.indices((40, 40)).sum(0) * 3).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def loaded(engine, id):
    list(engine.holdings.load(id))
    return engine._worker.residents.get(id, lambda doing, share: None)


def cross(**more):
    from diffusers.models.attention_processor import Attention

    torch.manual_seed(0)
    made = Attention(query_dim=8, cross_attention_dim=6, heads=2, dim_head=4, **more).eval()
    assert made.is_cross_attention
    return made


def by_hand(layer, x, text, mask=None):
    """softmax(QKᵀ/√d) of every head, (H, N, T), from the layer's own weights."""
    q = (x @ layer.to_q.weight.T).view(len(x), 2, 4).transpose(0, 1)
    k = (text @ layer.to_k.weight.T).view(len(text), 2, 4).transpose(0, 1)
    scores = torch.einsum("hnd,htd->hnt", q, k) / 4**0.5
    if mask is not None:
        scores = scores + mask
    weights = torch.exp(scores - scores.amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)


@torch.no_grad()
def test_a_layer_gives_what_softmax_by_hand_gives_and_answers_with_the_same_bits():
    layer, x, text = cross(), torch.randn(1, 9, 8), torch.randn(1, 5, 6)
    before = layer(x, encoder_hidden_states=text)
    with heeding(Readers("cross", {"layer": layer}), 5, False) as heard:
        during = layer(x, encoder_hidden_states=text)
    assert torch.equal(before, during) and torch.equal(before, layer(x, encoder_hidden_states=text))
    (one,) = heard
    expected = by_hand(layer, x[0], text[0])
    assert one.heads == 2 and torch.allclose(one.given, expected.mean(0), atol=1e-6)
    assert torch.allclose(one.given.sum(1), torch.ones(9), atol=1e-6)
    answer = torch.einsum(
        "hnt,htd->nhd", expected, (text[0] @ layer.to_v.weight.T).view(5, 2, 4).transpose(0, 1)
    )
    out = answer.reshape(9, 8) @ layer.to_out[0].weight.T + layer.to_out[0].bias
    assert torch.allclose(before[0], out, atol=1e-5)  # so those probabilities are the layer's own


@torch.no_grad()
def test_what_is_masked_is_given_nothing():
    layer, x, text = cross(), torch.randn(1, 4, 8), torch.randn(1, 5, 6)
    mask = torch.tensor([0.0, 0.0, 0.0, -1e4, -1e4])
    with heeding(Readers("cross", {"layer": layer}), 5, False) as heard:
        layer(x, encoder_hidden_states=text, attention_mask=mask.expand(1, 1, 5))
    assert torch.allclose(heard[0].given, by_hand(layer, x[0], text[0], mask).mean(0), atol=1e-6)
    assert not heard[0].given[:, 3:].any()
    q, k = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    seen = given(q, k, torch.tensor([True, True, False, True, True]).expand(1, 1, 5))
    assert not seen[:, 2].any() and torch.allclose(seen.sum(1), torch.ones(3))


@torch.no_grad()
def test_fused_projections_and_a_layer_that_sees_only_the_picture_change_nothing():
    layer, x, text = cross(), torch.randn(1, 9, 8), torch.randn(1, 5, 6)
    with heeding(Readers("cross", {"layer": layer}), 5, False) as plain:
        layer(x, encoder_hidden_states=text)
    from diffusers.models.attention_processor import FusedAttnProcessor2_0

    layer.fuse_projections()
    layer.set_processor(FusedAttnProcessor2_0())
    with heeding(Readers("cross", {"layer": layer}), 5, False) as fused:
        F.scaled_dot_product_attention(*[torch.randn(1, 2, 5, 4)] * 3)  # of no layer
        layer(x, encoder_hidden_states=text)
    assert len(fused) == 1 and torch.allclose(plain[0].given, fused[0].given, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_a_joint_layer_gives_its_text_s_part_of_one_softmax(kind):
    """From the projections of the library's own joint layers, put together here."""
    torch.manual_seed(1)
    x, text = torch.randn(1, 9, 8), torch.randn(1, 5, 8)
    if kind == "sd3":
        from diffusers.models.attention_processor import Attention, JointAttnProcessor2_0

        layer = Attention(
            query_dim=8, cross_attention_dim=None, added_kv_proj_dim=8, dim_head=4, heads=2,
            out_dim=8, context_pre_only=False, bias=True, processor=JointAttnProcessor2_0(),
        ).eval()  # fmt: skip
    else:
        from diffusers.models.transformers.transformer_flux import FluxAttention

        layer = FluxAttention(query_dim=8, heads=2, dim_head=4, added_kv_proj_dim=8, out_dim=8)
    before = layer(x, encoder_hidden_states=text)
    with heeding(Readers("joint", {"layer": layer}), 5, kind == "flux") as heard:
        during = layer(x, encoder_hidden_states=text)
    assert all(torch.equal(a, b) for a, b in zip(before, during, strict=True))

    def split(values, norm):
        heads = values[0].view(-1, 2, 4)
        return (norm(heads) if norm is not None else heads).transpose(0, 1)

    q = split(layer.to_q(x), layer.norm_q)
    k = split(layer.to_k(x), layer.norm_k)
    other = split(layer.add_k_proj(text), layer.norm_added_k)
    scores = torch.cat([q @ k.transpose(1, 2), q @ other.transpose(1, 2)], -1) / 2
    expected = scores.softmax(-1).mean(0)[:, 9:]  # (9, 5)
    assert torch.allclose(heard[0].given, expected, atol=1e-6)
    assert (heard[0].given.sum(1) < 1).all()


def test_a_forward_that_is_looked_at_is_the_same_forward(engine):
    checkpoint = loaded(engine, "random")
    condition, x = (
        stack([checkpoint.encode(Asked(PROMPT))]),
        torch.randn(1, *checkpoint.entry.latent),
    )
    before = checkpoint.predict(x, [500.0], condition)
    found = readers(network(checkpoint))
    with heeding(found, condition["context"].shape[1], False) as heard:
        during = checkpoint.predict(x, [500.0], condition)
    assert torch.equal(before, during) and len(heard) == len(found.layers) > 0
    left = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in found.layers.values()]
    assert not any(left)
    for one in heard:
        assert torch.allclose(one.given.sum(1), torch.ones(len(one.given)), atol=1e-5)


def test_every_position_shares_one_among_the_tokens(engine, picture):
    made = engine.insides.attention("random", picture, 0.5, PROMPT)
    assert made.kind == "cross" and [h.name for h in made.heats] == ["all", "8×8", "4×4"]
    assert sum(h.layers for h in made.heats[1:]) == made.heats[0].layers
    for heat in made.heats:
        assert len(heat.maps) == len(made.tokens)
        assert sum(heat.shares) == pytest.approx(1, abs=1e-5)
        total = np.zeros(heat.rows * heat.columns)
        for drawn, peak, share in zip(heat.maps, heat.peaks, heat.shares, strict=True):
            values = np.frombuffer(drawn, np.uint8) * peak / 255
            assert values.mean() == pytest.approx(share, abs=peak / 255)
            total += values
        assert np.allclose(total, 1, atol=0.02)
    kinds = [token.kind for token in made.tokens]
    assert kinds == ["begin", "word", "word", "word", "end", "padding"]
    assert made.tokens[1].text == "a" and made.tokens[2].text == "red"


def test_another_prompt_or_time_is_another_answer_and_the_same_is_the_same(engine, picture):
    ask = engine.insides.attention
    one = ask("random", picture, 0.5, PROMPT)
    assert one == ask("random", picture, 0.5, PROMPT)
    assert one.heats != ask("random", picture, 0.9, PROMPT).heats
    assert one.heats != ask("random", picture, 0.5, "a blue disc").heats


def test_masked_padding_is_given_nothing_by_pixart(engine, picture):
    made = engine.insides.attention("pixart", picture, 0.5, PROMPT)
    assert made.kind == "cross" and not made.pooled
    assert made.tokens[-1].kind == "padding"
    assert made.heats[0].shares[-1] == pytest.approx(0, abs=1e-6)
    assert sum(made.heats[0].shares) == pytest.approx(1, abs=1e-5)


def test_both_encoders_of_sd3_are_told_apart_and_the_picture_keeps_its_part(engine, picture):
    made = engine.insides.attention("sd3", picture, 0.5, PROMPT)
    assert made.kind == "joint" and made.pooled
    assert {token.encoder for token in made.tokens if token.kind == "word"} == {"CLIP", "T5"}
    assert 0 < sum(made.heats[0].shares) < 1


def test_layers_of_one_resolution_are_cut_in_thirds_of_the_depth():
    each = [Heeded(str(k), 1, torch.full((4, 2), float(k))) for k in range(6)]
    made = {h.name: h for h in heats(each, [[0], [1]])}
    assert list(made) == ["all", "first", "middle", "last"]
    assert [made[n].peaks[0] for n in ("first", "middle", "last", "all")] == [0.5, 2.5, 4.5, 2.5]


def test_padding_is_one_token_and_what_is_beyond_is_counted():
    spoken = [Said("", "begin"), *[Said("w", "word")] * 120, Said("", "padding")]
    tokens, places, unshown = tokens_of(spoken)
    assert len(tokens) == len(places) == 97 and unshown == 25
    assert tokens[-1].kind == "padding" and places[-1] == [121]


def test_pieces_of_words_are_written_without_their_vocabulary_s_marks():
    tokenizer = small.clip_tokenizer()
    spoken = said(tokenizer, lay(tokenizer, "red", 12))
    assert [s.kind for s in spoken[:1]] == ["begin"] and spoken[-1].kind == "padding"
    words = [s.text for s in spoken if s.kind == "word"]
    assert "".join(words) == "red" and [s.kind for s in spoken].count("end") == 1


def test_what_reads_no_text_says_so(engine, picture):
    ask = engine.insides.attention
    with pytest.raises(BadRequest, match="attends to no text"):
        ask("dit", picture, 0.5, PROMPT)
    with pytest.raises(BadRequest, match="no network"):
        ask("shapes", picture, 0.5, PROMPT)
    with pytest.raises(BadRequest, match="Write a prompt first"):
        ask("random", picture, 0.5, "  ")
