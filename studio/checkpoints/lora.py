"""Low-rank adapters at work: y += w·α/r·up(down(x)) beside a layer, for the rows that want it.

The base's weights are never touched. A layer that any adapter changes gets one hook, which does
nothing unless an adapter is acting; so switching costs nothing, rows with different adapters
share a forward, and without them the base answers with the same bits as before. Projections that
were fused get the change on their part of the output; packed convolutions are asked as they are.
Source: Hu et al. 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studio.checkpoints import lora_bfl, weights
from studio.checkpoints.adapters import AdapterEntry
from studio.checkpoints.lora_keys import ALPHA, DOWN, UP, from_ldm
from studio.errors import BadCheckpoint

FUSED = {"to_qkv": ("to_q", "to_k", "to_v"), "to_kv": ("to_k", "to_v")}


@dataclass(eq=False, frozen=True, slots=True)
class Delta:
    """One layer's change: `down` (r, …), `up` (out, r) with α/r in it; where on the output."""

    down: Tensor
    up: Tensor
    at: slice
    conv: dict[str, Any] | None  # the layer's stride, padding and dilation; None: a matrix

    def __call__(self, x: Tensor) -> Tensor:
        """What is added for these rows at weight 1."""
        if self.conv is None:
            return F.linear(F.linear(x, self.down), self.up)
        return F.conv2d(F.conv2d(x, self.down, **self.conv), self.up[..., None, None])


@dataclass(eq=False, frozen=True, slots=True)
class Deltas:
    """An adapter at one network: its changes by the layer that they stand beside."""

    layers: dict[str, tuple[Delta, ...]]
    bytes: int


Acting = Sequence[tuple[Deltas, Tensor | None, Tensor | float]]  # whose, rows, their weights


class Adaptable:
    """A network whose layers adapters can stand beside. It belongs to the device's thread."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self.network, self.device = network, device
        self.acting: Acting = ()
        self._hooked: set[str] = set()
        self._names = {name.replace(".", "_"): name for name, _ in network.named_modules()}

    def deltas(self, found: dict[str, tuple[Tensor, Tensor, float]], name: str) -> Deltas:
        """An adapter's changes by canonical module: down, up, α. Raises BadCheckpoint."""
        layers: dict[str, list[Delta]] = {}
        for module, (down, up, alpha) in found.items():
            paths = [self._path(each) for each in lora_bfl.modules(module) or (module,)]
            first = 0
            for path in paths:
                if path is None:
                    raise BadCheckpoint(f"{name} changes {module[:80]}, which is not there.")
                own = self.network.get_submodule(path)
                end = len(up) if len(paths) == 1 else first + own.out_features
                layer, at = _beside(self.network, path)
                made = self._delta(own, layer, at, down, up[first:end], alpha)
                layers.setdefault(layer, []).append(made)
                first = end
        for layer in set(layers) - self._hooked:
            self._hook(layer)
        taken = sum(d.down.numel() + d.up.numel() for each in layers.values() for d in each)
        return Deltas({name: tuple(each) for name, each in layers.items()}, 4 * taken)

    def _path(self, module: str) -> str | None:
        """The network's own name for a module; text encoders have or lack a first part."""
        for name in (module, module.removeprefix("text_model_"), f"text_model_{module}"):
            if name in self._names:
                return self._names[name]
        return None

    def _delta(
        self, own: nn.Module, layer: str, at: slice, down: Tensor, up: Tensor, alpha: float
    ) -> Delta:
        dtype = next((p.dtype for p in own.parameters() if p.is_floating_point()), torch.float32)
        up = (up.flatten(1).float() * (alpha / down.shape[0])).to(self.device, dtype)
        beside = self.network.get_submodule(layer)
        if isinstance(own, nn.Linear):
            return Delta(down.flatten(1).to(self.device, dtype), up, at, None)
        how = _how(beside)
        down = down if down.ndim == 4 else down[..., None, None]
        return Delta(down.to(self.device, dtype), up, at, how)

    def _hook(self, layer: str) -> None:
        def after(module: nn.Module, args: tuple, output: Tensor) -> Tensor | None:
            if not self.acting:
                return None
            for deltas, rows, shares in self.acting:
                for delta in deltas.layers.get(layer, ()):
                    output = _added(output, args[0], delta, rows, shares)
            return output

        self.network.get_submodule(layer).register_forward_hook(after)
        self._hooked.add(layer)


def _added(
    output: Tensor, x: Tensor, delta: Delta, rows: Tensor | None, shares: Tensor | float
) -> Tensor:
    """The layer's output (R, …) with the change on some rows, or on all of them."""
    change = delta(x.to(delta.down.dtype) if rows is None else x[rows].to(delta.down.dtype))
    if isinstance(shares, Tensor):
        shares = shares.to(change).view(-1, *[1] * (change.dim() - 1))
    change = (change * shares).to(output.dtype)
    part = output[..., delta.at] if delta.conv is None else output
    if rows is None:
        part += change
    else:
        part.index_add_(0, rows, change)
    return output


def _beside(network: nn.Module, path: str) -> tuple[str, slice]:
    """The layer that answers for a module, and where on its output: fused projections."""
    parent, _, leaf = path.rpartition(".")
    owner = network.get_submodule(parent)
    if getattr(owner, "fused_projections", False):
        for fused, leaves in FUSED.items():
            if leaf in leaves and isinstance(getattr(owner, fused, None), nn.Linear):
                widths = [getattr(owner, each).out_features for each in leaves]
                start = sum(widths[: leaves.index(leaf)])
                end = start + widths[leaves.index(leaf)]
                return f"{parent}.{fused}", slice(start, end)
    return path, slice(None)


def _how(conv: nn.Module) -> dict[str, Any]:
    """A convolution's geometry, packed or not."""
    packed = getattr(conv, "how", None)
    if packed is not None:
        padding, stride, dilation, _ = packed
        return {"padding": padding, "stride": stride, "dilation": dilation}
    return {"padding": conv.padding, "stride": conv.stride, "dilation": conv.dilation}


def read(entry: AdapterEntry, layers: int) -> dict[str, dict[str, tuple[Tensor, Tensor, float]]]:
    """part → module → (down, up, α), float32 and finite; α is the rank where none is said.

    `layers` is the count of resnets in a UNet's block, for LDM's names. Raises BadCheckpoint.
    """
    assert entry.header is not None
    stored = {}
    for name, tensor in weights.tensors(entry.header, lambda count: None):
        weights.check_finite(tensor, entry.file.name, name)
        stored[name] = tensor.float()
    found: dict[str, dict[str, tuple[Tensor, Tensor, float]]] = {}
    for (part, module), roles in entry.modules.items():
        down, up = stored[roles[DOWN]], stored[roles[UP]]
        alpha = entry.alphas.get(part, float(down.shape[0]))
        alpha = float(stored[roles[ALPHA]]) if ALPHA in roles else alpha
        name = from_ldm(module, layers) if part == "unet" else module
        found.setdefault(part, {})[name] = (down, up, alpha)
    return found


@contextmanager
def acting(networks: Sequence[tuple[Adaptable, Acting]]) -> Iterator[None]:
    """Adapters stand beside these networks' layers for as long as this lasts."""
    with ExitStack() as stack:
        for network, of in networks:
            network.acting = of
            stack.callback(_rest, network)
        yield


def _rest(network: Adaptable) -> None:
    network.acting = ()


def shared(rows: Sequence[Sequence[tuple[Deltas, float]]], device: str) -> Acting:
    """What acts in a forward of R rows, each with its own adapters and weights."""
    out = []
    for deltas in {id(d): d for row in rows for d, _ in row}.values():
        shares = [next((w for d, w in row if d is deltas), 0.0) for row in rows]
        here = [k for k, share in enumerate(shares) if share]
        if not here:
            continue
        if len(here) == len(rows) and len(set(shares)) == 1:
            out.append((deltas, None, shares[0]))
            continue
        only = torch.tensor([shares[k] for k in here], device=device)
        out.append((deltas, torch.tensor(here, device=device), only))
    return tuple(out)
