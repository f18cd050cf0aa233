"""Names of adapters against those that diffusers' own conversion gives to the same modules."""

import pytest
import torch

from studio.checkpoints.lora_keys import from_ldm, other_kind, parse


@pytest.fixture(scope="module")
def modules():
    """Underscored names of the modules of XL's UNet, narrow; two resnets in a block."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(32, 64, 64),
            layers_per_block=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 2),
            cross_attention_dim=16,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=64,
        )
    return {name.replace(".", "_") for name, _ in unet.named_modules()}


@pytest.mark.parametrize(
    ("ldm", "diffusers"),
    [
        ("input_blocks_4_1_transformer_blocks_0_attn1_to_q",
         "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"),
        ("input_blocks_8_1_transformer_blocks_1_ff_net_0_proj",
         "down_blocks_2_attentions_1_transformer_blocks_1_ff_net_0_proj"),
        ("input_blocks_3_0_op", "down_blocks_0_downsamplers_0_conv"),
        ("input_blocks_5_0_in_layers_2", "down_blocks_1_resnets_1_conv1"),
        ("middle_block_1_transformer_blocks_1_attn2_to_out_0",
         "mid_block_attentions_0_transformer_blocks_1_attn2_to_out_0"),
        ("middle_block_2_emb_layers_1", "mid_block_resnets_1_time_emb_proj"),
        ("output_blocks_0_0_skip_connection", "up_blocks_0_resnets_0_conv_shortcut"),
        ("output_blocks_5_1_proj_in", "up_blocks_1_attentions_2_proj_in"),
        ("output_blocks_5_2_conv", "up_blocks_1_upsamplers_0_conv"),
        ("label_emb_0_2", "add_embedding_linear_2"),
        ("time_embed_0", "time_embedding_linear_1"),
        ("out_2", "conv_out"),
    ],
)  # fmt: skip
def test_an_ldm_name_is_the_module_that_diffusers_makes_of_it(modules, ldm, diffusers):
    assert from_ldm(ldm, 2) == diffusers
    assert diffusers in modules


def test_every_ldm_module_lands_where_diffusers_conversion_puts_its_weight(modules):
    """Each of diffusers' modules is what some LDM name becomes, by its own table of blocks."""
    ldm = [f"input_blocks_{b}_{p}_{r}" for b in range(9) for p in (0, 1) for r in INNER]
    ldm += [f"output_blocks_{b}_{p}_{r}" for b in range(9) for p in (0, 1, 2) for r in INNER]
    ldm += [f"middle_block_{p}_{r}" for p in (0, 1, 2) for r in INNER]
    made = {from_ldm(name, 2) for name in ldm}
    wanted = {name for name in modules if name.endswith(("_conv1", "_proj_in", "_attn2_to_k"))}
    assert wanted
    assert wanted <= made


INNER = ("in_layers_2", "proj_in", *(f"transformer_blocks_{k}_attn2_to_k" for k in range(2)))
Q = "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
DOTS = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"


@pytest.mark.parametrize(
    ("stored", "part", "module", "role"),
    [
        (f"lora_unet_{Q}.lora_down.weight", "unet", Q, "down"),
        (f"lora_unet_{Q}.alpha", "unet", Q, "alpha"),
        (f"unet.{DOTS}.to_q.lora_A.weight", "unet", Q, "down"),
        (f"unet.{DOTS}.to_q.lora.up.weight", "unet", Q, "up"),
        (f"unet.{DOTS}.processor.to_q_lora.down.weight", "unet", Q, "down"),
        (f"{DOTS}.processor.to_q_lora.up.weight", "unet", Q, "up"),
        (f"{DOTS}.processor.to_out_lora.up.weight", "unet", Q[:-1] + "out_0", "up"),
        (f"base_model.model.{DOTS}.to_q.lora_B.weight", "unet", Q, "up"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", "text_encoder",
         "text_model_encoder_layers_0_mlp_fc1", "up"),
        ("lora_te1_text_model_encoder_layers_0_self_attn_q_proj.alpha", "text_encoder",
         "text_model_encoder_layers_0_self_attn_q_proj", "alpha"),
        ("lora_te2_text_model_encoder_layers_0_self_attn_q_proj.alpha", "text_encoder_2",
         "text_model_encoder_layers_0_self_attn_q_proj", "alpha"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.k_proj.lora_linear_layer.up.weight",
         "text_encoder", "text_model_encoder_layers_0_self_attn_k_proj", "up"),
    ],
)  # fmt: skip
def test_each_tools_way_of_writing_is_one_name(stored, part, module, role):
    key = parse(stored)
    assert (key.part, key.module, key.role) == (part, module, role)


@pytest.mark.parametrize(
    ("stored", "kind"),
    [("x.hada_w1_a", "LoHa"), ("x.lokr_w1", "LoKr"), ("x.dora_scale", "DoRA"),
     ("x.lora_mid.weight", "LoCon in Tucker form"), ("x.lora_down.weight", "")],
)  # fmt: skip
def test_other_ways_of_adapting_are_known_by_name(stored, kind):
    assert other_kind([stored]) == kind
