"""The names that low-rank adapters give to what they change: several tools' ways, brought to one.

Canonical is the part ("unet", "transformer", "text_encoder" and so on) with the module's diffusers
name, dots as underscores, which is how kohya's tools write it. Theirs for XL are LDM's names, for
FLUX its authors', see `lora_bfl`; diffusers and peft write dots. No tensors here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.checkpoints import lora_bfl

DOWN, UP, ALPHA = "down", "up", "alpha"
KOHYA = {
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_transformer_": "transformer",
    "lora_te_": "text_encoder",
}
DOTTED = {
    "unet.": "unet",
    "transformer.": "transformer",
    "text_encoder.": "text_encoder",
    "text_encoder_2.": "text_encoder_2",
    "text_encoder_3.": "text_encoder_3",
    "base_model.model.": "unet",  # what peft saves of one network
}
BARE = ("down_blocks.", "mid_block.", "up_blocks.")  # of a UNet, as diffusers had it at first
BLOCKS = ("transformer_blocks_", "single_transformer_blocks_")  # only a transformer begins so
ROLES = {  # endings, and what the tensor is
    ".lora_down.weight": DOWN,
    ".lora_up.weight": UP,
    ".lora_A.weight": DOWN,
    ".lora_B.weight": UP,
    ".lora_A.default.weight": DOWN,
    ".lora_B.default.weight": UP,
    ".lora.down.weight": DOWN,
    ".lora.up.weight": UP,
    ".lora_linear_layer.down.weight": DOWN,
    ".lora_linear_layer.up.weight": UP,
    "_lora.down.weight": DOWN,  # of attention processors, as diffusers had them at first
    "_lora.up.weight": UP,
    ".alpha": ALPHA,
}
OTHER_KINDS = {  # what a key holds that belongs to another way of adapting
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "lora_mid": "LoCon in Tucker form",
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "oft_": "OFT",
    "boft_": "BOFT",
    "on_input": "IA3",
    "ia3_l": "IA3",
    "lora_B.bias": "LoRA with biases",
    ".diff": "full differences",
}
_LDM = re.compile(r"(input_blocks|output_blocks)_(\d+)_(\d+)_(.+)")
_MIDDLE = {"0": "resnets_0", "1": "attentions_0", "2": "resnets_1"}
_RESNET = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}
_AROUND = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "out_2": "conv_out",
}


@dataclass(frozen=True, slots=True)
class Key:
    """What one stored tensor is: of which part and module (canonical), in which role."""

    part: str
    module: str
    role: str


def parse(stored: str) -> Key | None:
    """What a stored name says; None where it is no low-rank adapter's."""
    ending = next((e for e in ROLES if stored.endswith(e)), None)
    if ending is None:
        return None
    rest, role = stored[: -len(ending)], ROLES[ending]
    for start, part in (KOHYA | DOTTED).items():
        if rest.startswith(start):
            module = _module(rest[len(start) :])
            return Key(_denoiser(module) if part == "unet" else part, module, role)
    module = _module(rest)
    if rest.startswith(BARE) or module.startswith(BLOCKS):
        return Key(_denoiser(module), module, role)
    return None


def _denoiser(module: str) -> str:
    """Tools that say "unet" of every denoiser: which one it is by its blocks' names."""
    is_transformer = module.startswith(BLOCKS) or lora_bfl.modules(module)
    return "transformer" if is_transformer else "unet"


def other_kind(names: list[str]) -> str:
    """The name of another way of adapting that these keys belong to; "" for none."""
    return next((k for mark, k in OTHER_KINDS.items() if any(mark in n for n in names)), "")


def _module(rest: str) -> str:
    rest = rest.removeprefix("base_model.model.").removesuffix(".lora")
    made = rest.replace(".processor", "").replace(".", "_")
    return re.sub(r"_to_out$", "_to_out_0", made)


def from_ldm(module: str, layers: int) -> str:
    """LDM's name for a module of the UNet as diffusers'; another name comes back as it is.

    `layers` is the UNet's count of resnets in a block of its way down.
    """
    if module in _AROUND:
        return _AROUND[module]
    middle = re.fullmatch(r"middle_block_(\d)_(.+)", module)
    if middle:
        return f"mid_block_{_MIDDLE.get(middle[1], '')}_{_inner(middle[2])}"
    found = _LDM.fullmatch(module)
    if not found:
        return module
    side, block, place, rest = found[1], int(found[2]), int(found[3]), found[4]
    down = side == "input_blocks"
    each = layers + 1
    index, layer = divmod(block - 1 if down else block, each)
    start = f"{'down' if down else 'up'}_blocks_{index}_"
    if rest == "op":
        return f"{start}downsamplers_0_conv"
    if rest == "conv":
        return f"{start}upsamplers_0_conv"
    return f"{start}{'attentions' if place else 'resnets'}_{layer}_{_inner(rest)}"


def _inner(rest: str) -> str:
    return _RESNET.get(rest, rest)
