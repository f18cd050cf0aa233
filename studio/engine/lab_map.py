"""Which modules of the stock networks are its blocks, where each stands, and where gates are.

A UNet keeps what its down path made and hands it to the up path, the last first: the order in
which blocks answer tells who takes what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from studio.checkpoints.checkpoint import Checkpoint
from studio.errors import BadRequest
from studio.insides import Where

INNER = ("resnets", "attentions", "downsamplers", "upsamplers")
STACKS = ("transformer_blocks", "single_transformer_blocks")
GATE_PARTS = ("attention", "mlp")


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a block's gates come out, and how one is read off: (R, …) → (R, D)."""

    module: nn.Module
    pick: Callable[[Tensor, str], Tensor | None]

    def read(self, out: Tensor, part: str) -> Tensor | None:
        """The gate of "attention" or "mlp"; None where the block has no such gate."""
        return self.pick(out, part)


def network(checkpoint: Checkpoint) -> nn.Module:
    """The denoiser of a loaded checkpoint; raises BadRequest where it has none."""
    for name in ("unet", "network"):
        found = getattr(checkpoint, name, None)
        if isinstance(found, nn.Module):
            return found
    raise BadRequest(f"{checkpoint.entry.title} is a formula: it has no network to look into.")


def blocks_of(net: nn.Module) -> dict[str, nn.Module]:
    """The blocks whose outputs are looked at, by their names in the network."""
    return dict(_unet(net) if hasattr(net, "down_blocks") else _transformer(net))


def places(names: Sequence[str]) -> list[tuple[Where, int | None]]:
    """Where each block stands, given them in the order they answered, and which one it takes.

    A layer of the down path is its resnet, or the attention behind it.
    """
    kept: list[int] = []
    out: list[tuple[Where, int | None]] = []
    for index, name in enumerate(names):
        where, skip = _where(name), None
        if where == "down" and ".attentions." in name and kept:
            kept[-1] = index
        elif where == "down" or name == "conv_in":
            kept.append(index)
        elif where == "up" and ".resnets." in name and kept:
            skip = kept.pop()
        out.append((where, skip))
    return out


def gates_of(net: nn.Module) -> dict[str, Gate]:
    """The gates of a transformer's blocks by the blocks' names; empty where there are none."""
    found: dict[str, Gate] = {}
    shared = getattr(net, "adaln_single", None)
    for name, block in _transformer(net):
        norm = getattr(block, "norm1", None) or getattr(block, "norm", None)
        linear = getattr(norm, "linear", None)
        table = getattr(block, "scale_shift_table", None)
        if isinstance(linear, nn.Linear):
            found[name] = Gate(linear, _chunks(linear.out_features // linear.in_features))
        elif shared is not None and isinstance(table, nn.Parameter):
            found[name] = Gate(shared.linear, _tabled(table))
    return found


def _chunks(count: int) -> Callable[[Tensor, str], Tensor | None]:
    """shift, scale, gate of the attention, then of the MLP; three where there is one gate."""

    def pick(out: Tensor, part: str) -> Tensor | None:
        place = 2 + 3 * GATE_PARTS.index(part)
        return out.chunk(count, dim=-1)[place] if place < count else None

    return pick


def _tabled(table: nn.Parameter) -> Callable[[Tensor, str], Tensor | None]:
    """PixArt's: what all blocks share, (R, 6·D), and a table (6, D) of the block's own."""

    def pick(out: Tensor, part: str) -> Tensor | None:
        place = 2 + 3 * GATE_PARTS.index(part)
        return out.unflatten(-1, (6, -1))[:, place] + table[place]

    return pick


def _where(name: str) -> Where:
    for beginning, where in _BEGINNINGS.items():
        if name.startswith(beginning):
            return where
    return "block"


def _unet(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    pattern = re.compile(
        rf"conv_in|conv_out|(?:(?:down|up)_blocks\.\d+|mid_block)\.(?:{'|'.join(INNER)})\.\d+"
    )
    for name, module in net.named_modules():
        if pattern.fullmatch(name):
            yield name, module


def _transformer(net: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for stack in STACKS:
        for place, block in enumerate(getattr(net, stack, None) or ()):
            yield f"{stack}.{place}", block


_BEGINNINGS: dict[str, Where] = {
    "conv_in": "in",
    "conv_out": "out",
    "down_blocks": "down",
    "mid_block": "middle",
    "up_blocks": "up",
}
