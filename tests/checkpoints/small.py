"""Small random checkpoints of the transformer line and of pixel UNets: the real classes, tiny.

Every folder is as diffusers' own `save_pretrained` leaves it, so that its pipelines open them.
"""

import json
import string
from pathlib import Path

import torch

WORDS = ("a", "red", "green", "blue", "disc", "square", "bar", "cross", "of", "and", "large")
NAMES = ("red disc", "green square", "blue bar", "red cross", "large blue disc")


def write(folder: Path, pipeline: str, parts: dict, **further) -> Path:
    """A folder in diffusers layout; a part may be None, as optional ones are."""
    folder.mkdir(parents=True)
    index = {"_class_name": pipeline, "_diffusers_version": "0.42.1"}
    for name, part in parts.items():
        if part is None:
            index[name] = [None, None]
            continue
        part.save_pretrained(folder / name)
        index[name] = [type(part).__module__.split(".")[0], type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index | further))
    return folder


def shaken(network: torch.nn.Module, scale: float = 0.3) -> torch.nn.Module:
    """The network with every weight drawn: what starts at zero would hide a mistake."""
    with torch.no_grad():
        for p in network.parameters():
            p.add_(scale * torch.randn_like(p) / max(1.0, p.shape[-1]) ** 0.5)
    return network.eval()


def vae(channels: int = 4, **settings):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=channels,
        norm_num_groups=4,
        **settings,
    ).eval()


def clip_tokenizer(length: int = 12):
    from transformers import CLIPTokenizer

    letters = list(string.ascii_lowercase)
    pieces = letters + [letter + "</w>" for letter in letters]
    marks = ["<|startoftext|>", "<|endoftext|>"]
    vocab = {piece: k for k, piece in enumerate([*pieces, *marks])}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=length)


def clip(projection: bool, width: int = 8, layers: int = 2):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=54,
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=12,
        projection_dim=width,
        bos_token_id=52,
        eos_token_id=53,
        pad_token_id=53,
    )
    return shaken((CLIPTextModelWithProjection if projection else CLIPTextModel)(config))


def t5_tokenizer(length: int = 16):
    from transformers import T5Tokenizer

    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -3.0)]
    scored += [("▁" + word, -1.0 - k / 10) for k, word in enumerate(WORDS)]
    scored += [(letter, -6.0) for letter in string.ascii_lowercase]
    return T5Tokenizer(vocab=scored, extra_ids=0, model_max_length=length)


def t5(width: int = 16):
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=64,
        d_model=width,
        d_kv=4,
        d_ff=16,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return shaken(T5EncoderModel(config))


def dit_folder(folder: Path, classes: int = 1000, learned: bool = True, seed: int = 0) -> Path:
    """A class-conditional DiT with a learned variance: 32 px, states of 4×8×8... at patch 2."""
    from diffusers import DDIMScheduler, DiTTransformer2DModel

    torch.manual_seed(seed)
    network = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8 if learned else 4,
        num_layers=2,
        sample_size=8,
        patch_size=2,
        num_embeds_ada_norm=classes,
    )
    scheduler = DDIMScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        clip_sample=False,
        timestep_spacing="trailing",
    )
    parts = {"transformer": shaken(network), "vae": vae(), "scheduler": scheduler}
    names = {str(k): NAMES[k] if k < len(NAMES) else f"thing {k}" for k in range(classes)}
    return write(folder, "DiTPipeline", parts, id2label=names)


def pixart_folder(folder: Path, kind: str = "Alpha", size: int = 8, seed: int = 0) -> Path:
    """PixArt-α or -Σ: T5 text, cross-attention that is masked, 2·C channels out.

    Of `size` 128 the α pipeline gives the network resolution and aspect ratio.
    """
    from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel

    torch.manual_seed(seed)
    network = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        cross_attention_dim=24,
        sample_size=size,
        patch_size=2,
        caption_channels=16,
        use_additional_conditions=kind == "Alpha" and size == 128,
    )
    scheduler = DPMSolverMultistepScheduler(beta_start=1e-4, beta_end=0.02)
    parts = {
        "tokenizer": t5_tokenizer(300),
        "text_encoder": t5(),
        "transformer": shaken(network),
        "vae": vae(),
        "scheduler": scheduler,
    }
    return write(folder, f"PixArt{kind}Pipeline", parts)


def sd3_folder(folder: Path, with_t5: bool = True, seed: int = 0, **schedule) -> Path:
    """Stable Diffusion 3's MMDiT with a dual-attention block (3.5) and its three encoders."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel

    torch.manual_seed(seed)
    network = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=24,
        caption_projection_dim=16,
        pooled_projection_dim=18,
        out_channels=16,
        pos_embed_max_size=12,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    parts = {
        "text_encoder": clip(True, 8),
        "text_encoder_2": clip(True, 10),
        "text_encoder_3": t5(24) if with_t5 else None,
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer(),
        "tokenizer_3": t5_tokenizer(256) if with_t5 else None,
        "transformer": shaken(network),
        "vae": vae(16, scaling_factor=1.5305, shift_factor=0.0609),
        "scheduler": FlowMatchEulerDiscreteScheduler(**{"shift": 3.0} | schedule),
    }
    return write(folder, "StableDiffusion3Pipeline", parts)


def flux_folder(folder: Path, guided: bool = True, seed: int = 0, **schedule) -> Path:
    """FLUX: packed states, rotary positions, guidance as an input, a shift by the size."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel

    torch.manual_seed(seed)
    network = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=8,
        guidance_embeds=guided,
        axes_dims_rope=(4, 4, 8),
    )
    dynamic = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    parts = {
        "text_encoder": clip(False, 8),
        "text_encoder_2": t5(24),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": t5_tokenizer(512),
        "transformer": shaken(network),
        "vae": vae(4, scaling_factor=0.3611, shift_factor=0.1159),
        "scheduler": FlowMatchEulerDiscreteScheduler(**dynamic | schedule),
    }
    return write(folder, "FluxPipeline", parts)


def pixel_folder(
    folder: Path, classes: int = 0, learned: bool = False, clip_sample: bool = True, seed: int = 0
) -> Path:
    """A UNet on pixels, 32 px: DDPM's, or ADM's with AdaGN, classes and a learned variance."""
    from diffusers import DDPMScheduler, UNet2DModel

    torch.manual_seed(seed)
    network = UNet2DModel(
        sample_size=32,
        out_channels=6 if learned else 3,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift" if classes else "default",
        num_class_embeds=classes or None,
    )
    scheduler = DDPMScheduler(
        beta_schedule="linear",
        variance_type="learned_range" if learned else "fixed_small",
        clip_sample=clip_sample,
        timestep_spacing="trailing",
    )
    return write(folder, "DDPMPipeline", {"unet": shaken(network, 0.1), "scheduler": scheduler})


def bert(positions: int = 120, width: int = 16):
    """A BertModel whose positions beyond the tokenizer's length repeat the last."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=5 + len(WORDS) + 2 * 26,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=positions,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return shaken(BertModel(config, add_pooling_layer=False))


def bert_tokenizer(length: int = 12):
    from transformers import BertTokenizer

    letters = list(string.ascii_lowercase)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    pieces += [*letters, *(f"##{letter}" for letter in letters)]
    vocab = {piece: k for k, piece in enumerate(dict.fromkeys(pieces))}
    return BertTokenizer(vocab=vocab, model_max_length=length)


def flow_folder(folder: Path, seed: int = 0, **schedule) -> Path:
    """PixArt's layout with a BERT and flow matching, as `icons-flow` has it: C channels out."""
    from diffusers import DPMSolverMultistepScheduler, PixArtTransformer2DModel

    torch.manual_seed(seed)
    network = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        cross_attention_dim=24,
        sample_size=8,
        patch_size=2,
        caption_channels=16,
        use_additional_conditions=False,
    )
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
    parts = {
        "tokenizer": bert_tokenizer(),
        "text_encoder": bert(),
        "transformer": shaken(network),
        "vae": vae(),
        "scheduler": DPMSolverMultistepScheduler(**flow | schedule),
    }
    write(folder, "PixArtAlphaPipeline", parts)
    (folder / "concepts.json").write_text(json.dumps(sorted(NAMES)))
    return folder
