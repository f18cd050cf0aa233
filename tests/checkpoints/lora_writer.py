"""Low-rank adapters of random numbers for any network, in the ways people's tools write them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

RANK, ALPHA = 3, 2.0
Factors = dict[str, tuple[Tensor, Tensor]]  # module → down, up


def factors(network: nn.Module, wanted: tuple[str, ...], seed: int, size: float = 0.3) -> Factors:
    """Random factors for the modules whose name ends so."""
    g = torch.Generator().manual_seed(seed)
    out = {}
    for name, module in network.named_modules():
        if name.endswith(wanted) and isinstance(module, nn.Linear | nn.Conv2d):
            shape = module.weight.shape
            down = size * torch.randn((RANK, *shape[1:]), generator=g)
            ones = (1, 1) if len(shape) == 4 else ()
            out[name] = (down, size * torch.randn((shape[0], RANK, *ones), generator=g))
    assert out
    return out


def merge(network: nn.Module, found: Factors, weight: float, alpha: float = ALPHA) -> None:
    """W + w·α/r·up@down, by hand, into a network of separate projections and plain layers."""
    with torch.no_grad():
        for name, (down, up) in found.items():
            own = network.get_submodule(name).weight
            change = up.flatten(1).double() @ down.flatten(1).double()
            own += (weight * alpha / RANK * change).reshape(own.shape).float()


def kohya(file: Path, parts: dict[str, Factors]) -> Path:
    """`parts` by prefix, e.g. {"lora_unet": …}; alpha in the file, as kohya's tools save it."""
    out = {}
    for prefix, found in parts.items():
        for name, (down, up) in found.items():
            start = f"{prefix}_{name.replace('.', '_')}"
            out |= {f"{start}.lora_down.weight": down, f"{start}.lora_up.weight": up}
            out[f"{start}.alpha"] = torch.tensor(ALPHA)
    save_file({k: v.contiguous() for k, v in out.items()}, file)
    return file


def diffusers(file: Path, parts: dict[str, Factors], alpha: float = ALPHA) -> Path:
    """As `save_lora_weights` with peft does: its configuration in the metadata, α in that."""
    out: dict[str, Tensor] = {}
    said: dict[str, object] = {}
    for part, found in parts.items():
        for name, (down, up) in found.items():
            out |= {f"{part}.{name}.lora_A.weight": down, f"{part}.{name}.lora_B.weight": up}
        told = {"lora_alpha": alpha, "r": RANK, "target_modules": sorted(found)}
        said |= {f"{part}.{key}": value for key, value in told.items()}
    metadata = {"lora_adapter_metadata": json.dumps(said)}
    save_file({k: v.contiguous() for k, v in out.items()}, file, metadata)
    return file


ATTENTION = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
CONVOLUTIONS = ("proj_in", "proj_out", "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv",
                "upsamplers.0.conv", "conv_in", "time_emb_proj")  # fmt: skip
BERT = ("query", "key", "value", "dense")
