"""What a network's attention layers give to the text, caught where they compute it.

The product that a layer hands to torch is looked at as it passes: whatever normed, rotated or
fused its projections, the numbers are the network's own, and its answer keeps its bits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_JOINT = re.compile(r"(?:single_)?transformer_blocks\.\d+\.attn")


@dataclass(eq=False, frozen=True, slots=True)
class Heeded:
    """What one layer gave: (N, T) probabilities, N positions by T tokens, the mean over heads.

    In a joint layer a row sums to less than 1: the rest went to the picture itself.
    """

    name: str
    heads: int
    given: Tensor


@dataclass(eq=False, frozen=True, slots=True)
class Readers:
    """A network's layers that read the text, by name, and how."""

    kind: Literal["cross", "joint"]
    layers: dict[str, nn.Module]


def readers(net: nn.Module) -> Readers:
    """None are found in a network that attends to no text."""
    cross = {
        name: module
        for name, module in net.named_modules()
        if name.endswith(".attn2") and getattr(module, "is_cross_attention", False)
    }
    if cross:
        return Readers("cross", cross)
    named = ((name, m) for name, m in net.named_modules() if _JOINT.fullmatch(name))
    reads_text = getattr(net, "context_embedder", None) is not None
    return Readers("joint", dict(named) if reads_text else {})


@contextmanager
def heeding(found: Readers, tokens: int, text_first: bool) -> Iterator[list[Heeded]]:
    """Collect what the readers give to `tokens` tokens of the text in a forward's first row.

    `text_first` is of joint layers: whether the text's tokens stand before the picture's.
    """
    heard: list[Heeded] = []
    catch = _Catch(lambda name, q, k, more: heard.extend(_given(name, q, k, more)))

    def _given(name: str, q: Tensor, k: Tensor, more: dict[str, Any]) -> Iterator[Heeded]:
        if found.kind == "cross":
            if k.shape[2] == tokens:
                yield Heeded(name, q.shape[1], given(q[0], k[0], **more))
        elif k.shape[2] > tokens:  # layers that see the picture alone have no more than its tokens
            whole = k.shape[2]
            text = slice(0, tokens) if text_first else slice(whole - tokens, whole)
            picture = slice(tokens, whole) if text_first else slice(0, whole - tokens)
            yield Heeded(name, q.shape[1], given(q[0, :, picture], k[0], **more)[:, text])

    hooks = []
    for name, module in found.layers.items():
        hooks.append(module.register_forward_pre_hook(catch.enters(name)))
        hooks.append(module.register_forward_hook(catch.leaves))
    try:
        with catch:
            yield heard
    finally:
        for hook in hooks:
            hook.remove()


def given(q: Tensor, k: Tensor, mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """(H, N, D), (H, T, D) → softmax(q·kᵀ·scale + mask) over T, (N, T): the mean over the heads.

    `mask` of the first row is added, or true where a token may be seen; (H or 1, N or 1, T).
    """
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    total = torch.zeros(q.shape[1], k.shape[1], device=q.device)
    for head in range(q.shape[0]):  # one at a time: all of them may not fit
        scores = q[head].float() @ k[head].float().T * factor
        if mask is not None:
            here = mask[min(head, len(mask) - 1)]
            scores = scores.masked_fill(~here, -torch.inf) if _is_bool(here) else scores + here
        total += scores.softmax(-1)
    return total / q.shape[0]


def _is_bool(mask: Tensor) -> bool:
    return mask.dtype == torch.bool


class _Catch(TorchFunctionMode):
    """Sees every scaled dot product that a layer asks of torch between its beginning and end."""

    def __init__(self, hear: Callable[[str, Tensor, Tensor, dict[str, Any]], None]) -> None:
        super().__init__()
        self._hear = hear
        self._inside = ""

    def enters(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            self._inside = name

        return hook

    def leaves(self, module: nn.Module, args: Any, out: Any) -> None:
        self._inside = ""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and self._inside:
            self._look(*args, **kwargs)
        return func(*args, **kwargs)

    def _look(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        **more: Any,
    ) -> None:
        mask = None
        if attn_mask is not None:
            wide = attn_mask[(None,) * (4 - attn_mask.dim())]
            mask = wide[0].float() if not _is_bool(wide) else wide[0]
        self._hear(self._inside, query, key, {"mask": mask, "scale": scale})
