"""From what archives hold to what is kept: names, axes, and batch norms folded in."""

import io
import pickle
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from studio.errors import BadData
from studio.extras import convert

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def flax_tree():
    widths = (3, 2, 4, 3, 2, 5)
    alex = {
        f"Conv_{k}": {"kernel": normal(3, 3, last, width), "bias": normal(width)}
        for k, (last, width) in enumerate(pairwise(widths))
    }
    lins = {f"NetLinLayer_{k}": {"Conv_0": {"kernel": normal(1, 1, widths[k + 1], 1)}}
            for k in range(5)}  # fmt: skip
    return {"AlexNet_0": alex, **lins, "Dense_0": {"kernel": normal(2, 2)}}


def test_flax_kernels_become_torchs_and_what_is_not_needed_stays_behind():
    tree = flax_tree()
    made = convert.flax(pickle.dumps(tree, 3))
    assert len(made) == 15 and not any("Dense" in name for name in made)
    kernel = tree["AlexNet_0"]["Conv_1"]["kernel"]
    assert made["conv1.weight"][3, 1, 2, 0] == kernel[2, 0, 1, 3]
    assert made["lin2.weight"].shape == (1, 3, 1, 1)


def test_a_layer_that_is_missing_is_named():
    tree = flax_tree()
    del tree["AlexNet_0"]["Conv_3"]["bias"]
    with pytest.raises(BadData, match=r"lack AlexNet_0\.Conv_3\.bias"):
        convert.flax(pickle.dumps(tree, 3))


class Small(nn.Module):
    """Convolutions with a norm, with a norm two places on, and with a bias of their own."""

    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(
                nn.Conv2d(4, 4, 3, groups=4, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
                nn.Conv2d(4, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU(),
            ),
            nn.Conv2d(2, 2, 1),
        )  # fmt: skip


def test_norms_are_folded_into_their_convolutions_without_changing_an_answer():
    torch.manual_seed(0)
    net = Small().eval()
    for name, value in net.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.5 * ("var" in name))
    file = io.BytesIO()
    torch.save({"state_dict": net.state_dict(), "iter": 3, "optimizer": {}}, file)
    made = {k: torch.from_numpy(v) for k, v in convert.torch_pose(file.getvalue()).items()}
    names = {f"model.{p}.{k}" for p in ("0.0", "1.0", "1.3", "2") for k in ("weight", "bias")}
    assert set(made) == names
    x = torch.rand(1, 3, 9, 9)
    by_hand = x
    for name, groups in (("0.0", 1), ("1.0", 4), ("1.3", 1)):
        weight, bias = made[f"model.{name}.weight"], made[f"model.{name}.bias"]
        by_hand = torch.relu(nn.functional.conv2d(by_hand, weight, bias, groups=groups))
    by_hand = nn.functional.conv2d(by_hand, made["model.2.weight"], made["model.2.bias"])
    assert torch.allclose(by_hand, net.model(x), atol=1e-6)


def test_a_torch_file_with_more_than_tensors_is_refused():
    file = io.BytesIO()
    torch.save({"state_dict": {"model.0.weight": torch.ones(1)}, "more": Small()}, file)
    with pytest.raises(BadData, match="plain tensors"):
        convert.torch_pose(file.getvalue())
    with pytest.raises(BadData, match="plain tensors"):
        convert.torch_pose(b"no such thing")


def test_without_h5py_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BadData, match="pip install h5py"):
        convert.keras(b"")


def test_hdf5_kernels_become_torchs():
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        for place, (_, path) in enumerate(convert._hed()):
            out[f"{path}/vars/0"] = np.full((3, 3, 2, 1), place, np.float32)
            out[f"{path}/vars/1"] = np.zeros(1, np.float32)
    made = convert.keras(file.getvalue())
    assert len(made) == 2 * (13 + 5 + 1)
    assert made["block1.1.weight"].shape == (1, 2, 3, 3) and (made["block1.1.weight"] == 1).all()
    assert (made["fuse.weight"] == 18).all()
    with pytest.raises(BadData, match="HDF5"):
        convert.keras(b"not one")
