"""The sizes that are meant for a GPU, on no device at all: shapes fit, and so do their files."""

import pytest
import torch

from studio.training import control, dit, flow, unet
from studio.training.export import LIMIT
from studio.training.recipes import RECIPES

FULL, B = RECIPES["full"], 2
TEXT = FULL.text.width


def asked():
    """(states, times, text) of a batch."""
    x = torch.zeros(B, 8, 16, 16, device="meta")
    return x, torch.zeros(B, device="meta"), torch.zeros(B, 32, TEXT, device="meta")


def denoiser():
    model = unet.build(FULL.unet, TEXT).to("meta")
    x, t, text = asked()
    return model, model(x, t, encoder_hidden_states=text).sample


def controlled():
    base = unet.build(FULL.unet, TEXT)
    model = control.build(base, FULL.control.embedding).to("meta")
    x, t, text = asked()
    hint = torch.zeros(B, 3, 128, 128, device="meta")
    return model, control.steered(base.to("meta"), model, hint)(x, t, text).sample


def classes():
    model = dit.build(FULL.dit).to("meta")
    x, t, _ = asked()
    said = model(x, t, torch.zeros(B, dtype=torch.long, device="meta"), return_dict=False)[0]
    return model, said.chunk(2, dim=1)[0]


def text():
    model = flow.build(FULL.flow, TEXT).to("meta")
    x, t, context = asked()
    return model, flow.velocity(model, x, t, context, torch.ones(B, 32, device="meta"))


@pytest.mark.parametrize("part", [denoiser, controlled, classes, text])
def test_a_step_of_the_full_size_fits_and_no_tensor_is_larger_than_a_file_may_be(part):
    model, said = part()
    assert said.shape == (B, 8, 16, 16)
    said.square().mean().backward()
    named = dict(model.named_parameters())
    assert all(p.grad is not None for p in named.values())
    assert max(2 * p.numel() for p in named.values()) < 0.9 * LIMIT  # float16
    assert sum(p.numel() for p in named.values()) < 30e6


def test_the_full_sizes_are_at_least_the_small_ones_and_longer():
    for part in ("unet", "control", "dit", "flow"):
        full, small = getattr(FULL, part), getattr(RECIPES["small"], part)
        assert full.steps * full.batch > 10 * small.steps * small.batch
