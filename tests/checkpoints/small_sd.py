"""Small random checkpoints of Stable Diffusion's line: the real classes, tiny, in diffusers layout.

Widths are multiples of 32, as the layout in one file supposes. Heads are 8 in version 1 and 64
wide from version 2 on.
"""

from pathlib import Path

import torch

from studio.checkpoints.vocabulary import clip_tokenizer as whole_tokenizer
from tests.checkpoints.small import clip_tokenizer, shaken, write

SCHEDULE = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
}


def small_vae(scale: float, **settings):
    from diffusers import AutoencoderKL

    made = AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        sample_size=64,
        scaling_factor=scale,
        **settings,
    )
    return shaken(made, 0.1)


def small_clip(
    projection: bool, width: int = 64, layers: int = 2, act: str = "quick_gelu", words: int = 54
):
    """With `words` of CLIP's own vocabulary it also has its number of positions."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        max_position_embeddings=12 if words == 54 else 77,
        projection_dim=width,
        hidden_act=act,
        bos_token_id=words - 2,
        eos_token_id=words - 1,
        pad_token_id=1,
    )
    return shaken((CLIPTextModelWithProjection if projection else CLIPTextModel)(config))


def small_unet(wide: int, linear: bool = False, channels=(32, 64), **settings):
    from diffusers import UNet2DConditionModel

    made = UNet2DConditionModel(
        sample_size=8,
        in_channels=settings.pop("in_channels", 4),
        out_channels=4,
        block_out_channels=channels,
        layers_per_block=settings.pop("layers_per_block", 1),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=wide,
        attention_head_dim=[c // 64 for c in channels] if linear else 8,
        use_linear_projection=linear,
        **settings,
    )
    return shaken(made, 0.1)


def words_of(whole: bool, pad: str = "<|endoftext|>"):
    """(words, tokenizer): a few letters, or all of CLIP's vocabulary."""
    return (49408, whole_tokenizer(pad)) if whole else (54, clip_tokenizer())


def sd1_folder(
    folder: Path, prediction: str = "epsilon", inpaints: bool = False, whole: bool = False
) -> Path:
    """Version 1: CLIP text, eight heads; its scheduler PNDM as the published checkpoints have."""
    from diffusers import PNDMScheduler

    torch.manual_seed(11)
    words, tokenizer = words_of(whole)
    parts = {
        "vae": small_vae(0.18215),
        "text_encoder": small_clip(False, words=words),
        "tokenizer": tokenizer,
        "unet": small_unet(64, in_channels=9 if inpaints else 4),
        "scheduler": PNDMScheduler(
            **SCHEDULE, skip_prk_steps=True, set_alpha_to_one=False, prediction_type=prediction
        ),
        "safety_checker": None,
        "feature_extractor": None,
    }
    name = "StableDiffusionInpaintPipeline" if inpaints else "StableDiffusionPipeline"
    return write(folder, name, parts, requires_safety_checker=False)


def sd2_folder(folder: Path, prediction: str = "v_prediction", whole: bool = False) -> Path:
    """Version 2: OpenCLIP's text (GELU, its last layer left out), heads 64 wide, v-prediction."""
    from diffusers import DDIMScheduler

    torch.manual_seed(12)
    words, tokenizer = words_of(whole, "!")
    parts = {
        "vae": small_vae(0.18215),
        "text_encoder": small_clip(False, 128, 3, "gelu", words),
        "tokenizer": tokenizer,
        "unet": small_unet(128, linear=True, channels=(64, 128)),
        "scheduler": DDIMScheduler(
            **SCHEDULE, clip_sample=False, set_alpha_to_one=False, prediction_type=prediction
        ),
        "safety_checker": None,
        "feature_extractor": None,
    }
    return write(folder, "StableDiffusionPipeline", parts, requires_safety_checker=False)


def sdxl_folder(
    folder: Path, refiner: bool = False, zeros: bool = True, whole: bool = False, **unet
) -> Path:
    """XL: two encoders and six numbers; the refiner has one and is told a score."""
    from diffusers import EulerDiscreteScheduler

    torch.manual_seed(14 if refiner else 13)
    numbers, first = (5, 0) if refiner else (6, 64)
    network = small_unet(
        first + 128,
        linear=True,
        channels=(64, 128),
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=128 + numbers * 256,
        transformer_layers_per_block=[2, 1],
        **unet,
    )
    torch.manual_seed(15)  # both stages have the same states and the same second encoder
    words, tokenizer = words_of(whole)
    parts = {
        "vae": small_vae(0.13025),
        "text_encoder": None if refiner else small_clip(False, words=words),
        "text_encoder_2": small_clip(True, 128, 3, "gelu", words),
        "tokenizer": None if refiner else tokenizer,
        "tokenizer_2": words_of(whole, "!")[1],
        "unet": network,
        "scheduler": EulerDiscreteScheduler(**SCHEDULE, timestep_spacing="leading"),
        "image_encoder": None,
        "feature_extractor": None,
    }
    if refiner:
        name, more = "StableDiffusionXLImg2ImgPipeline", {"requires_aesthetics_score": True}
    else:
        name, more = "StableDiffusionXLPipeline", {}
    return write(folder, name, parts, force_zeros_for_empty_prompt=zeros, **more)
