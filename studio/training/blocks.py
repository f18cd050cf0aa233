"""The four transformer blocks that DiT compares (Peebles & Xie 2023, section 3.2 and figure 3), out
of the library's own block: in-context, cross-attention, adaLN, adaLN-Zero.

The library's `ada_norm` is another thing (one norm, time alone), so adaLN is its `ada_norm_zero`
with the gates held at one. Knows nothing of what a network predicts.
"""

from dataclasses import dataclass

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.embeddings import CombinedTimestepLabelEmbeddings, PatchEmbed
from torch import nn
from torch.nn.functional import silu

FREQUENCIES = 256  # of the library's time embedding


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network is built from; `outputs` are channels a pixel of the latent."""

    kind: str
    patch: int
    classes: int  # with the one that stands for "no class", which is the last
    width: int = 128
    depth: int = 4
    head: int = 32
    channels: int = 8
    outputs: int = 16
    size: int = 16

    @property
    def tokens(self) -> int:
        return (self.size // self.patch) ** 2


class Given(nn.Module):
    """In place of a block's own embedding: the condition is handed in where the time goes."""

    def forward(self, timestep, class_labels=None, hidden_dtype=None):
        return timestep


class Modulation(nn.Module):
    """adaLN: shift and scale of both norms from the condition, (B, D) → 4·D; no gates."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 4 * width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)

    def forward(self, x, timestep, class_labels=None, hidden_dtype=None):
        shift, scale, shift_later, scale_later = self.linear(silu(timestep)).chunk(4, dim=1)
        open_gate = torch.ones_like(shift)
        x = self.norm(x) * (1 + scale[:, None]) + shift[:, None]
        return x, open_gate, shift_later, scale_later, open_gate


def plain_block(shape: Shape) -> BasicTransformerBlock:
    return _block(shape, norm_type="layer_norm")


def cross_block(shape: Shape) -> BasicTransformerBlock:
    return _block(shape, norm_type="layer_norm", cross_attention_dim=shape.width)


def modulated_block(shape: Shape) -> BasicTransformerBlock:
    block = gated_block(shape)
    block.norm1 = Modulation(shape.width)
    return block


def gated_block(shape: Shape) -> BasicTransformerBlock:
    """adaLN-Zero: every branch ends in a gate that starts at zero."""
    kind = {"norm_type": "ada_norm_zero", "num_embeds_ada_norm": 1}
    block = _block(shape, norm_elementwise_affine=False, **kind)
    block.norm1.emb = Given()
    nn.init.zeros_(block.norm1.linear.weight)
    nn.init.zeros_(block.norm1.linear.bias)
    return block


def _block(shape: Shape, **kind) -> BasicTransformerBlock:
    return BasicTransformerBlock(
        shape.width,
        max(1, shape.width // shape.head),
        min(shape.head, shape.width),
        attention_bias=True,
        activation_fn="gelu-approximate",
        norm_eps=1e-6,
        **kind,
    )


class Network(nn.Module):
    """A class-conditional transformer on latent patches out of one kind of block. Its output
    starts at zero.
    """

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape, width = shape, shape.width
        self.pos_embed = PatchEmbed(shape.size, shape.size, shape.patch, shape.channels, width)
        self.embed = CombinedTimestepLabelEmbeddings(shape.classes, width, class_dropout_prob=0.0)
        nn.init.normal_(self.embed.class_embedder.embedding_table.weight, std=0.02)
        build, adaptive = KINDS[shape.kind]
        self.blocks = nn.ModuleList([build(shape) for _ in range(shape.depth)])
        self.norm_out = nn.LayerNorm(width, elementwise_affine=not adaptive, eps=1e-6)
        self.modulate_out = nn.Linear(width, 2 * width) if adaptive else None
        self.proj_out = nn.Linear(width, shape.patch**2 * shape.outputs)
        for layer in filter(None, (self.modulate_out, self.proj_out)):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor, t: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """x (B, C, h, w), t (B,) and label (B,) → (B, outputs, h, w)."""
        time = self.embed.timestep_embedder(self.embed.time_proj(t).to(x.dtype))  # (B, D)
        kind = self.embed.class_embedder(label)
        condition, pair = time + kind, torch.stack([time, kind], dim=1)
        tokens = self.pos_embed(x)  # (B, T, D)
        if self.shape.kind == "in-context":
            tokens = torch.cat([tokens, pair], dim=1)
        for block in self.blocks:
            tokens = block(tokens, encoder_hidden_states=pair, timestep=condition)
        tokens = self.norm_out(tokens[:, : self.shape.tokens])
        if self.modulate_out is not None:
            shift, scale = self.modulate_out(silu(condition)).chunk(2, dim=1)
            tokens = tokens * (1 + scale[:, None]) + shift[:, None]
        return self._picture(self.proj_out(tokens))

    def _picture(self, tokens: torch.Tensor) -> torch.Tensor:
        side, patch, outputs = self.shape.size, self.shape.patch, self.shape.outputs
        count = side // patch
        parts = tokens.view(-1, count, count, patch, patch, outputs)
        return parts.permute(0, 5, 1, 3, 2, 4).reshape(-1, outputs, side, side)


def macs(shape: Shape) -> int:
    """Multiply–accumulates of one forward of one picture: matrix products and attention, as the
    paper counts its "Gflops". Training costs three times as many.
    """
    d, tokens = shape.width, shape.tokens
    inner = tokens + 2 if shape.kind == "in-context" else tokens
    block = inner * 12 * d * d + 2 * inner * inner * d  # projections and feed-forward; attention
    if shape.kind == "cross-attention":
        block += 2 * tokens * d * d + 2 * 2 * d * d + 2 * tokens * 2 * d
    block += {"adaLN": 4, "adaLN-Zero": 6}.get(shape.kind, 0) * d * d
    adaptive = KINDS[shape.kind][1]
    ends = tokens * d * shape.patch**2 * (shape.channels + shape.outputs)
    return FREQUENCIES * d + d * d + shape.depth * block + adaptive * 2 * d * d + ends


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


KINDS = {  # how a block is built, and whether norms take the condition
    "in-context": (plain_block, False),
    "cross-attention": (cross_block, False),
    "adaLN": (modulated_block, True),
    "adaLN-Zero": (gated_block, True),
}
