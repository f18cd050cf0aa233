"""Convolutions whose weights lie as the CPU's kernels want them, once instead of at every call.

PyTorch hands oneDNN plain weights, which it reorders for each forward. At the few pixels of a
latent that is up to a third of a convolution. The operator and the layout are those of torch's
own compiler (`torch._inductor` with freezing); the arithmetic is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)


class PackedConv2d(nn.Module):
    """A Conv2d for inference on the CPU, laid out for inputs of one shape; others work too."""

    def __init__(self, conv: nn.Conv2d, shape: list[int], after: str = "none") -> None:
        """`shape` is the usual input's (B, C, H, W); `after` "relu" is done in the same pass."""
        super().__init__()
        self.how = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.after = after
        self.bias = conv.bias
        plain = conv.weight.detach().to_mkldnn()
        self.weight = torch._C._nn.mkldnn_reorder_conv2d_weight(plain, *self.how, shape)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H', W'), channels last."""
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.how, self.after, [], ""
        )


@torch.no_grad()
def possible(device: str) -> bool:
    """Whether this build and device have the operator, and it answers as Conv2d does.

    Neither is a public part of torch, so one small convolution is tried.
    """
    if device != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    try:
        x = torch.linspace(-1, 1, 2 * 8 * 6 * 6).reshape(2, 8, 6, 6)
        conv = nn.utils.skip_init(nn.Conv2d, 8, 8, 3, padding=1)  # draws no random numbers
        for p in conv.parameters():
            p.copy_(torch.arange(p.numel()).sin().reshape(p.shape))
        packed, plain = PackedConv2d(conv, list(x.shape)), conv(x)
        return torch.allclose(packed(x), plain, rtol=1e-4, atol=1e-4)
    except Exception as error:
        log.info("convolutions are not packed: %s", error)
        return False


@torch.no_grad()
def pack(network: nn.Module, call: Callable[[], object]) -> None:
    """Replace the network's convolutions, in place, for the shapes that `call` sends through it.

    1×1 convolutions stay, being plain matrix products, and so do other precisions than float32.
    A ReLU that follows in a Sequential is done by its convolution.
    """
    shapes = _shapes(network, call)
    for parent in list(network.modules()):
        children = list(parent.named_children())
        for k, (name, child) in enumerate(children):
            if child not in shapes or child.kernel_size == (1, 1):
                continue
            after = "none"
            followed = isinstance(parent, nn.Sequential) and k + 1 < len(children)
            if followed and isinstance(children[k + 1][1], nn.ReLU):
                after = "relu"
                setattr(parent, children[k + 1][0], nn.Identity())
            setattr(parent, name, PackedConv2d(child, shapes[child], after))


def _shapes(network: nn.Module, call: Callable[[], object]) -> dict[nn.Module, list[int]]:
    """The input shape of every plain convolution that the call reaches."""
    seen: dict[nn.Module, list[int]] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        plain = isinstance(module.padding, tuple) and module.padding_mode == "zeros"
        if plain and inputs[0].dtype == module.weight.dtype == torch.float32:
            seen[module] = list(inputs[0].shape)

    found = [m for m in network.modules() if type(m) is nn.Conv2d]
    hooks = [module.register_forward_pre_hook(note) for module in found]
    try:
        call()
    finally:
        for hook in hooks:
            hook.remove()
    return seen
