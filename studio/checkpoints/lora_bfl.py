"""FLUX's modules under its authors' names, which kohya's tools write, as diffusers calls them.

The authors keep queries, keys and values in one projection, and a single block's MLP beside them;
diffusers has them apart. Dots are underscores. The last layer is left out: its halves are swapped.
Source: `black-forest-labs/flux`'s layers, and diffusers' `lora_conversion_utils`.
"""

from __future__ import annotations

import re

_JOINT = {
    "img_attn_qkv": ("attn_to_q", "attn_to_k", "attn_to_v"),
    "img_attn_proj": ("attn_to_out_0",),
    "img_mlp_0": ("ff_net_0_proj",),
    "img_mlp_2": ("ff_net_2",),
    "img_mod_lin": ("norm1_linear",),
    "txt_attn_qkv": ("attn_add_q_proj", "attn_add_k_proj", "attn_add_v_proj"),
    "txt_attn_proj": ("attn_to_add_out",),
    "txt_mlp_0": ("ff_context_net_0_proj",),
    "txt_mlp_2": ("ff_context_net_2",),
    "txt_mod_lin": ("norm1_context_linear",),
}
_SINGLE = {
    "linear1": ("attn_to_q", "attn_to_k", "attn_to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm_linear",),
}
_AROUND = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in_in_layer": "time_text_embed_timestep_embedder_linear_1",
    "time_in_out_layer": "time_text_embed_timestep_embedder_linear_2",
    "vector_in_in_layer": "time_text_embed_text_embedder_linear_1",
    "vector_in_out_layer": "time_text_embed_text_embedder_linear_2",
    "guidance_in_in_layer": "time_text_embed_guidance_embedder_linear_1",
    "guidance_in_out_layer": "time_text_embed_guidance_embedder_linear_2",
}
_BLOCK = re.compile(r"(double|single)_blocks_(\d+)_(\w+)")


def modules(module: str) -> tuple[str, ...]:
    """diffusers' modules for one of the authors', in the order of its output; () for another."""
    if module in _AROUND:
        return (_AROUND[module],)
    found = _BLOCK.fullmatch(module)
    if not found:
        return ()
    joint = found[1] == "double"
    start = f"{'transformer' if joint else 'single_transformer'}_blocks_{found[2]}_"
    return tuple(start + rest for rest in (_JOINT if joint else _SINGLE).get(found[3], ()))
