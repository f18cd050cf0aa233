"""Configurations out of shapes: what the networks in one LDM file are, in diffusers' terms.

Such a file (`model.diffusion_model.*`, `first_stage_model.*`, and text under `cond_stage_model.*`
or `conditioner.*`) holds no configuration. Widths, depths and blocks follow from the tensors'
shapes; what leaves no trace in them is the published networks': norms of 32 groups, eight heads
in version 1 and heads 64 wide later, in CLIP's text always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.errors import BadCheckpoint

Shapes = Mapping[str, tuple[int, ...]]
UNET, VAE = "model.diffusion_model.", "first_stage_model."
MARK = UNET + "input_blocks.0.0.weight"
HEAD = 64  # numbers in one
WORDS = 49408  # of CLIP's vocabulary
MAX_BLOCKS = 64  # on the way down; XL's has 9
TIMES = 256  # numbers that each size is spread over, in XL


@dataclass(frozen=True, slots=True)
class Text:
    """A text encoder in the file: where, in whose names, how it is configured and padded."""

    prefix: str
    names: str  # "clip" as transformers has them, "openclip" as OpenCLIP has
    config: dict[str, Any]
    projected: bool  # whether its pooled vector is wanted
    pad: str


def unet(name: str, all_shapes: Shapes) -> dict[str, Any]:
    """UNet2DConditionModel's configuration. Raises BadCheckpoint for another build."""
    s = _below(all_shapes, UNET)
    levels: list[tuple[int, int, int]] = []  # width, resnets, depth of attention
    width, count, depth, block = 0, 0, 0, 1
    there = {key.split(".", 2)[1] for key in s if key.startswith("input_blocks.")}
    if len(there) > MAX_BLOCKS:
        raise BadCheckpoint(f"{name} holds a UNet of a build that this studio does not know.")
    while str(block) in there:
        here = f"input_blocks.{block}."
        if f"{here}0.op.weight" in s:
            levels.append((width, count, depth))
            count = depth = 0
        else:
            width = _first(name, s, f"{here}0.in_layers.2.weight")
            count, depth = count + 1, max(depth, _depth(s, f"{here}1."))
        block += 1
    levels.append((width, count, depth))
    attends = [key for key in s if key.endswith("attn2.to_k.weight")]
    if not attends or len({resnets for _, resnets, _ in levels}) != 1:
        raise BadCheckpoint(f"{name} holds a UNet of a build that this studio does not know.")
    linear = any(key.endswith("proj_in.weight") and len(s[key]) == 2 for key in s)
    widths = [w for w, _, _ in levels]
    middle = _depth(s, "middle_block.1.")
    depths = [d or (middle if k == len(levels) - 1 else 1) for k, (_, _, d) in enumerate(levels)]
    made = {
        "in_channels": s["input_blocks.0.0.weight"][1],
        "out_channels": _first(name, s, "out.2.weight"),
        "block_out_channels": widths,
        "layers_per_block": levels[0][1],
        "down_block_types": ["CrossAttnDownBlock2D" if d else "DownBlock2D" for *_, d in levels],
        "up_block_types": ["CrossAttnUpBlock2D" if d else "UpBlock2D" for *_, d in levels[::-1]],
        "transformer_layers_per_block": depths,
        "cross_attention_dim": s[attends[0]][1],
        "use_linear_projection": linear,
        "attention_head_dim": [max(1, w // HEAD) for w in widths] if linear else 8,
    }
    told = s.get("label_emb.0.0.weight")
    if told is not None:
        made |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": TIMES,
            "projection_class_embeddings_input_dim": told[1],
        }
    return made


def vae(name: str, all_shapes: Shapes, scale: float) -> dict[str, Any]:
    """AutoencoderKL's configuration. Raises BadCheckpoint when the file holds none."""
    s = _below(all_shapes, VAE)
    if "encoder.conv_in.weight" not in s or "decoder.conv_in.weight" not in s:
        raise BadCheckpoint(
            f"{name} holds a UNet without its autoencoder; take the whole checkpoint."
        )
    widths: list[int] = []
    while f"encoder.down.{len(widths)}.block.0.conv1.weight" in s:
        widths.append(s[f"encoder.down.{len(widths)}.block.0.conv1.weight"][0])
    layers = 1
    while f"encoder.down.0.block.{layers}.conv1.weight" in s:
        layers += 1
    if not widths:
        raise BadCheckpoint(
            f"{name} holds an autoencoder of a build that this studio does not know."
        )
    return {
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": layers,
        "latent_channels": s["decoder.conv_in.weight"][1],
        "scaling_factor": scale,
    }


def texts(name: str, s: Shapes) -> tuple[Text, ...]:
    """The file's text encoders: XL's two, its refiner's one, version 1's, or version 2's."""
    end, bang = "<|endoftext|>", "!"
    if "conditioner.embedders.1.model.positional_embedding" in s:
        return (
            _clip(name, s, "conditioner.embedders.0.transformer.", end),
            _open_clip(name, s, "conditioner.embedders.1.model.", bang, projected=True),
        )
    if "conditioner.embedders.0.model.positional_embedding" in s:
        return (_open_clip(name, s, "conditioner.embedders.0.model.", bang, projected=True),)
    if "cond_stage_model.model.positional_embedding" in s:
        return (_open_clip(name, s, "cond_stage_model.model.", bang, projected=False),)
    return (_clip(name, s, "cond_stage_model.transformer.", end),)


def _clip(name: str, s: Shapes, prefix: str, pad: str) -> Text:
    words = f"{prefix}text_model.embeddings.token_embedding.weight"
    layer = f"{prefix}text_model.encoder.layers."
    config = _text(name, s, words, f"{layer}0.mlp.fc1.weight", f"{layer}{{}}.mlp.fc1.weight")
    places = s[f"{prefix}text_model.embeddings.position_embedding.weight"][0]
    config |= {"hidden_act": "quick_gelu", "max_position_embeddings": places}
    return Text(prefix, "clip", config, False, pad)


def _open_clip(name: str, s: Shapes, prefix: str, pad: str, projected: bool) -> Text:
    """Version 2 attends to the layer before the last: the last is left out of the network."""
    layer = f"{prefix}transformer.resblocks."
    config = _text(
        name,
        s,
        f"{prefix}token_embedding.weight",
        f"{layer}0.mlp.c_fc.weight",
        f"{layer}{{}}.mlp.c_fc.weight",
    )
    places = s[f"{prefix}positional_embedding"][0]
    config |= {"hidden_act": "gelu", "max_position_embeddings": places}
    if projected:
        config["projection_dim"] = s.get(f"{prefix}text_projection", (0, 0))[1]
    else:
        config["num_hidden_layers"] -= 1
    return Text(prefix, "openclip", config, projected, pad)


def _text(name: str, s: Shapes, words: str, inner: str, layer: str) -> dict[str, Any]:
    if words not in s or inner not in s:
        raise BadCheckpoint(
            f"{name} holds a UNet without a text encoder that this studio knows; take the whole "
            "checkpoint."
        )
    rows, hidden = s[words]
    if rows != WORDS:
        raise BadCheckpoint(f"{name} reads {rows} words, and CLIP's vocabulary has {WORDS}.")
    layers = 0
    while layer.format(layers) in s:
        layers += 1
    return {
        "vocab_size": rows,
        "hidden_size": hidden,
        "intermediate_size": s[inner][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, hidden // HEAD),
        "projection_dim": hidden,
        "bos_token_id": WORDS - 2,
        "eos_token_id": WORDS - 1,
        "pad_token_id": WORDS - 1,
    }


def _below(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    return {k.removeprefix(prefix): v for k, v in shapes.items() if k.startswith(prefix)}


def _first(name: str, s: Shapes, key: str) -> int:
    if key not in s:
        raise BadCheckpoint(f"{name} holds a UNet of a build that this studio does not know.")
    return s[key][0]


def _depth(s: Shapes, prefix: str) -> int:
    """Transformer blocks below a prefix."""
    count = 0
    while f"{prefix}transformer_blocks.{count}.attn1.to_q.weight" in s:
        count += 1
    return count
