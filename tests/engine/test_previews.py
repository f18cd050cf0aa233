import numpy as np
import pytest
import torch

from studio.checkpoints.catalog import scan
from studio.checkpoints.load import load
from studio.engine.previews import SHARE, Painter
from studio.imaging.tensors import to_rgb
from tests.engine.closed import Closed


@pytest.fixture(scope="module")
def painter(models):
    return Painter(load(scan(models)["random"], "cpu", lambda doing, share: None, {}))


def test_the_tiny_decoder_is_taken_when_it_costs_under_a_quarter_of_a_step(painter):
    cheap, dear = painter.tiny_ms / SHARE * 1.01, painter.tiny_ms / SHARE * 0.99
    assert painter.kind("auto", 1, cheap) == "tiny"
    assert painter.kind("auto", 1, dear) == "rgb"
    assert painter.kind("auto", 2, cheap) == "rgb"


@pytest.mark.parametrize("kind", ["tiny", "rgb", "off"])
def test_a_kind_can_be_forced(painter, kind):
    assert painter.kind(kind, 1, 1e9) == kind
    assert painter.kind(kind, 1, 0.0) == kind


def test_both_kinds_draw_the_size_of_the_picture(painter):
    states = torch.randn(2, 4, 8, 8)
    assert painter.x0(states, "tiny").shape == painter.x0(states, "rgb").shape == (2, 64, 64, 3)


def test_a_latent_state_is_drawn_at_its_own_size(painter):
    assert painter.state(torch.randn(1, 4, 8, 8)).shape == (1, 8, 8, 3)


def test_pixels_are_shown_as_they_are():
    states = torch.randn(2, 3, 4, 4)
    painter = Painter(Closed())
    assert painter.kind("auto", 1, 1.0) == "exact"
    assert np.array_equal(painter.state(states), to_rgb(states))
