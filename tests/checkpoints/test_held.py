"""How networks are held: half precision asked in float32, offload, quantisation where it can be."""

import pytest
import torch
from torch import nn

from studio.checkpoints import held
from studio.checkpoints.place import Place
from studio.errors import BadCheckpoint


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x, timestep, more=None):
        self.seen = x.dtype, timestep.dtype, more["rows"].dtype, more["time_ids"].dtype
        return (self.layer(x),)


def asked(network):
    more = {"rows": torch.ones(2, 8), "time_ids": torch.ones(2, 6)}
    return network(torch.ones(2, 3, 8), torch.tensor([999.0, 1.0]), more=more)[0]


def test_half_precision_is_asked_and_answers_in_float32():
    network = Network()
    exact = network.layer(torch.ones(2, 3, 8)).detach()
    made = held.hold(network.to(torch.bfloat16), Place("cpu", "bfloat16"), "unet")
    out = asked(made)
    assert made.seen == (torch.bfloat16, torch.float32, torch.bfloat16, torch.float32)
    assert out.dtype == torch.float32 and (out - exact).abs().max() < 0.05


@pytest.mark.parametrize("part", ["vae", "preview", "controlnet_aux"])
def test_an_autoencoder_stays_float32(part):
    assert held.dtype_for(Place("cuda", "float16"), part) is torch.float32


def test_layers_that_are_offloaded_answer_the_same():
    network = Network()
    plain = asked(network).detach()
    made = held.hold(network, Place("cpu", offload="sequential"), "unet")
    assert next(made.parameters()).is_meta  # it waits elsewhere
    assert torch.equal(asked(made), plain)


def test_networks_take_turns_on_the_device(monkeypatch):
    moves = []
    place = Place("cpu", offload="model")
    first, second = (held.hold(Network(), place, part) for part in ("unet", "text_encoder"))
    for name, network in (("first", first), ("second", second)):
        original = network.to
        monkeypatch.setattr(
            network, "to", lambda to, n=name, o=original: moves.append((n, str(to))) or o(to)
        )
    asked(first)
    assert moves == [("second", "cpu"), ("first", "cpu")]
    assert place.turns == [first, second]


def test_quantising_says_what_it_lacks(tmp_path, monkeypatch):
    with pytest.raises(BadCheckpoint, match="it takes CUDA"):
        held.quantised(Network, tmp_path / "x" / "unet", Place("cpu", quantise="int8"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadCheckpoint, match="bitsandbytes is not installed"):
        held.quantised(Network, tmp_path / "x" / "unet", Place("cuda", quantise="int4"))
