"""The names that DiT's authors gave their weights, and those that the library has for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import Tensor

FREQUENCIES = 256  # of the time embedding

WHOLE = {  # outside the blocks
    "pos_embed": "pos_embed.pos_embed",
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "transformer_blocks.0.norm1.emb.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "transformer_blocks.0.norm1.emb.timestep_embedder.linear_2",
    "y_embedder.embedding_table": "transformer_blocks.0.norm1.emb.class_embedder.embedding_table",
    "final_layer.adaLN_modulation.1": "proj_out_1",
    "final_layer.linear": "proj_out_2",
}
BLOCK = {
    "adaLN_modulation.1": "norm1.linear",
    "attn.proj": "attn1.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
}
NAME = re.compile(r"(?:blocks\.(\d+)\.)?(.+?)(\.(?:weight|bias))?")


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The authors' names and the shapes that a configuration of the library's class implies."""
    D = config["num_attention_heads"] * config["attention_head_dim"]
    patch = config["patch_size"]
    tokens, out = (config["sample_size"] // patch) ** 2, config["out_channels"] * patch**2
    linear = {  # (out, in), each with its bias
        "t_embedder.mlp.0": (D, FREQUENCIES),
        "t_embedder.mlp.2": (D, D),
        "final_layer.adaLN_modulation.1": (2 * D, D),
        "final_layer.linear": (out, D),
    }
    for block in range(config["num_layers"]):
        start = f"blocks.{block}."
        linear |= {
            f"{start}attn.qkv": (3 * D, D),
            f"{start}attn.proj": (D, D),
            f"{start}mlp.fc1": (4 * D, D),
            f"{start}mlp.fc2": (D, 4 * D),
            f"{start}adaLN_modulation.1": (6 * D, D),
        }
    found: dict[str, tuple[int, ...]] = {
        "pos_embed": (1, tokens, D),
        "x_embedder.proj.weight": (D, config["in_channels"], patch, patch),
        "x_embedder.proj.bias": (D,),
        "y_embedder.embedding_table.weight": (config["num_embeds_ada_norm"] + 1, D),
    }
    for name, sides in linear.items():
        found |= {f"{name}.weight": sides, f"{name}.bias": sides[:1]}
    return found


def translated(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """(the library's name, its values) for one tensor of the authors'; nothing for unknown ones.

    Their qkv (3·D, D) is three matrices there. The embedders are named as the first block's:
    the library has a copy in every block.
    """
    block, inner, leaf = NAME.fullmatch(name).groups()
    leaf = leaf or ""
    if block is None:
        if inner in WHOLE:
            yield WHOLE[inner] + leaf, tensor
        return
    here = f"transformer_blocks.{block}."
    if inner == "attn.qkv":
        for part, values in zip("qkv", tensor.chunk(3), strict=True):
            yield f"{here}attn1.to_{part}{leaf}", values
    elif inner in BLOCK:
        yield here + BLOCK[inner] + leaf, tensor
