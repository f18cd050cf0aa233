"""A diffusers checkpoint's weights under LDM's names: the reverse of what the studio reads.

Written from the layouts themselves (CompVis' and Stability's modules), so that it is no mirror of
the code it tests.
"""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ENDS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def unet_name(key: str, layers: int, attends: set[int]) -> str:
    """LDM's name of one of UNet2DConditionModel's parameters; `attends`: up blocks with text."""
    stem, leaf = key.rsplit(".", 1)
    if stem in ENDS:
        return f"{ENDS[stem]}.{leaf}"
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", key)
    if found:
        way, part, rest = found[1], found[3], found[5]
        block, k = int(found[2]), int(found[4])
        if part == "downsamplers":
            return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{leaf}"
        if part == "upsamplers":
            place = 2 if block in attends else 1
            return f"output_blocks.{block * (layers + 1) + layers}.{place}.conv.{leaf}"
        at = 1 + block * (layers + 1) + k if way == "down" else block * (layers + 1) + k
        start = f"{'input' if way == 'down' else 'output'}_blocks.{at}"
        return f"{start}.0.{_resnet(rest)}" if part == "resnets" else f"{start}.1.{rest}"
    found = re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key)
    if found[1] == "attentions":
        return f"middle_block.1.{found[3]}"
    return f"middle_block.{2 * int(found[2])}.{_resnet(found[3])}"


def _resnet(rest: str) -> str:
    stem, leaf = rest.rsplit(".", 1)
    return f"{RESNET[stem]}.{leaf}"


def vae_name(key: str, blocks: int) -> str:
    """LDM's name of one of AutoencoderKL's parameters."""
    key = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.", r"encoder.down.\1.block.", key)
    key = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(
        r"up_blocks\.(\d+)\.(resnets|upsamplers\.0)",
        lambda m: f"up.{blocks - 1 - int(m[1])}.{'block' if m[2] == 'resnets' else 'upsample'}",
        key,
    )
    key = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", key)
    key = re.sub(
        r"mid_block\.attentions\.0\.(group_norm|to_q|to_k|to_v|to_out\.0)",
        lambda m: f"mid.attn_1.{ATTENTION[m[1]]}",
        key,
    )
    return key.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")


def unet_file(state: dict, layers: int) -> dict:
    attends = {int(m[1]) for k in state if (m := re.match(r"up_blocks\.(\d+)\.attentions", k))}
    return {
        f"model.diffusion_model.{unet_name(key, layers, attends)}": value
        for key, value in state.items()
    }


def vae_file(state: dict, blocks: int) -> dict:
    made = {}
    for key, value in state.items():
        name = vae_name(key, blocks)
        if "attn_1" in name and value.ndim == 2:
            value = value[:, :, None, None]  # LDM has them as convolutions of one pixel
        made[f"first_stage_model.{name}"] = value
    return made


def clip_file(state: dict, prefix: str) -> dict:
    return {f"{prefix}text_model.{k.removeprefix('text_model.')}": v for k, v in state.items()}


def open_clip_file(state: dict, prefix: str, further: bool = False) -> dict:
    """OpenCLIP's names; `further` adds the last layer, which version 2 leaves out."""
    state = {k.removeprefix("text_model."): v for k, v in state.items()}
    made = {
        "token_embedding.weight": state.pop("embeddings.token_embedding.weight"),
        "positional_embedding": state.pop("embeddings.position_embedding.weight"),
        "ln_final.weight": state.pop("final_layer_norm.weight"),
        "ln_final.bias": state.pop("final_layer_norm.bias"),
        "logit_scale": torch.tensor(4.6),
    }
    if "text_projection.weight" in state:
        made["text_projection"] = state.pop("text_projection.weight").T.contiguous()
    else:
        wide = made["ln_final.bias"].shape[0]
        made["text_projection"] = torch.zeros(wide, wide)
    layers = {int(k.split(".")[2]) for k in state if k.startswith("encoder.layers.")}
    for layer in layers:
        here, there = f"encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
        for leaf in ("weight", "bias"):
            three = [state[f"{here}self_attn.{q}_proj.{leaf}"] for q in "qkv"]
            made[f"{there}attn.in_proj_{leaf}"] = torch.cat(three)
            for ours, theirs in OPEN.items():
                made[f"{there}{theirs}.{leaf}"] = state[f"{here}{ours}.{leaf}"]
    if further:
        last, after = f"transformer.resblocks.{max(layers)}.", max(layers) + 1
        for key in [key for key in made if key.startswith(last)]:
            name = f"transformer.resblocks.{after}.{key.removeprefix(last)}"
            made[name] = torch.randn_like(made[key])
    return {f"{prefix}{key}": value for key, value in made.items()}


def write_ldm(folder: Path, file: Path, kind: str, metadata: dict[str, str], half=False) -> Path:
    """The folder's networks in one file; `kind` is "sd1", "sd2", "sdxl" or "refiner"."""
    read = lambda part, name: load_file(folder / part / f"{name}.safetensors")  # noqa: E731
    made = unet_file(read("unet", "diffusion_pytorch_model"), 1)
    made |= vae_file(read("vae", "diffusion_pytorch_model"), 4)
    if kind == "sd1":
        made |= clip_file(read("text_encoder", "model"), "cond_stage_model.transformer.")
    elif kind == "sd2":
        made |= open_clip_file(read("text_encoder", "model"), "cond_stage_model.model.", True)
    elif kind == "sdxl":
        first, second = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
        made |= clip_file(read("text_encoder", "model"), first)
        made |= open_clip_file(read("text_encoder_2", "model"), second)
    else:
        made |= open_clip_file(read("text_encoder_2", "model"), "conditioner.embedders.0.model.")
    made["alphas_cumprod"] = torch.ones(1000)
    made["model_ema.decay"] = torch.tensor(0.99)
    made = {k: (v.half() if half else v).contiguous().clone() for k, v in made.items()}
    save_file(made, file, {"format": "pt"} | metadata)
    return file
