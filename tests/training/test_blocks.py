"""The four blocks: their start, their conditions, their cost, and the library's own DiT."""

import pytest
import torch
from diffusers import DiTTransformer2DModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from studio.training import blocks

KINDS = tuple(blocks.KINDS)


def shape(kind="adaLN-Zero", patch=4, **more):
    return blocks.Shape(kind, patch, 6, width=16, depth=2, head=8, **more)


def lively(kind, **more):
    """A network whose layers are not zero."""
    torch.manual_seed(0)
    network = blocks.Network(shape(kind, **more)).eval()
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return network


def asked(count=2):
    g = torch.Generator().manual_seed(1)
    return (
        torch.randn(count, 8, 16, 16, generator=g),
        torch.tensor([5, 900])[:count],
        torch.tensor([0, 3])[:count],
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_starts_at_zero(kind):
    assert blocks.Network(shape(kind))(*asked()).abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_only_gated_blocks_start_as_the_identity(kind):
    torch.manual_seed(0)
    block = blocks.Network(shape(kind)).blocks[0]
    tokens, pair = torch.randn(2, 16, 16), torch.randn(2, 2, 16)
    with torch.no_grad():
        made = block(tokens, encoder_hidden_states=pair, timestep=pair.sum(1))
    assert torch.equal(made, tokens) == (kind == "adaLN-Zero")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [1, 2])
def test_time_and_class_are_both_heard(kind, which):
    network, given = lively(kind), list(asked())
    with torch.no_grad():
        before = network(*given)
        given[which] = given[which].flip(0)
        assert (network(*given) - before).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("patch", [2, 8])
def test_the_cost_is_what_torch_counts(kind, patch):
    made = shape(kind, patch)
    network = blocks.Network(made).eval()
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(*asked(1))
    assert counter.get_total_flops() == 2 * blocks.macs(made)


def test_gated_blocks_make_the_librarys_own_transformer():
    mine = lively("adaLN-Zero")
    theirs = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=8,
        out_channels=16,
        num_layers=2,
        attention_bias=True,
        sample_size=16,
        patch_size=4,
        num_embeds_ada_norm=5,
        norm_eps=1e-6,
    ).eval()
    parts = {"pos_embed.": "pos_embed.", "blocks.": "transformer_blocks."}
    parts |= {"modulate_out.": "proj_out_1.", "proj_out.": "proj_out_2."}
    weights = {}
    for name, weight in mine.state_dict().items():
        for ours, other in parts.items():
            if name.startswith(ours):
                weights[other + name.removeprefix(ours)] = weight
        if name.startswith("embed."):
            for number in range(2):
                inner = f"transformer_blocks.{number}.norm1.emb."
                weights[inner + name.removeprefix("embed.")] = weight
    theirs.load_state_dict(weights)
    with torch.no_grad():
        torch.testing.assert_close(mine(*asked()), theirs(*asked()).sample)
