"""Small checkpoints of the real classes, made in a moment: what the engine's tests run on."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SHAPES = ("disc", "square", "bar", "cross")
COLOURS = {"red": (220, 40, 40), "green": (40, 170, 70), "blue": (50, 80, 220)}
WORDS = [*SHAPES, *COLOURS, "a", "of", "and"]


def exact_folder(folder: Path, size: int = 32) -> Path:
    """Twelve coloured shapes as an exact checkpoint, `size` pixels a side."""
    folder.mkdir(parents=True)
    names = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    tiles = [shape_picture(*name.split(), size) for name in names]
    sheet = np.concatenate([np.concatenate(tiles[k : k + 4], 1) for k in range(0, 12, 4)])
    Image.fromarray(sheet).save(folder / "pictures-0.png")
    said = {
        "format": "exact",
        "size": size,
        "sheets": ["pictures-0.png"],
        "tiles_per_sheet": 12,
        "scheduler": {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000},
        "pictures": [{"caption": f"{name} in flat style", "name": name} for name in names],
    }
    (folder / "exact.json").write_text(json.dumps(said))
    words = {"title": "Twelve shapes", "defaults": {"steps": 8, "guidance": {"scale": 1.0}}}
    (folder / "studio.json").write_text(json.dumps(words))
    return folder


def shape_picture(colour: str, shape: str, size: int) -> np.ndarray:
    """(size, size, 3) uint8: one shape on white."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    inside = {
        "disc": x**2 + y**2 < 0.5,
        "square": np.maximum(abs(x), abs(y)) < 0.6,
        "bar": abs(y) < 0.3,
        "cross": np.minimum(abs(x), abs(y)) < 0.2,
    }[shape]
    return np.where(inside[..., None], np.array(COLOURS[colour]), 255).astype(np.uint8)


def sd_folder(
    folder: Path, prediction: str = "v_prediction", seed: int = 0, inpaints: bool = False
) -> Path:
    """A random checkpoint in StableDiffusionPipeline layout: 64 px, states of 4×8×8."""
    from diffusers import AutoencoderKL, AutoencoderTiny, DDIMScheduler, UNet2DConditionModel
    from transformers import BertConfig, BertModel, BertTokenizer

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocab))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=12)
    (folder / "vocab.txt").unlink()
    text = BertModel(
        BertConfig(
            vocab_size=len(vocab),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=16,
        ),
        add_pooling_layer=False,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=9 if inpaints else 4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    blocks = (8, 16, 16, 16)
    vae = AutoencoderKL(
        block_out_channels=blocks,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.7,
    )
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 1),
    )
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type=prediction,
        clip_sample=False,
        steps_offset=1,
        set_alpha_to_one=True,
        timestep_spacing="trailing",
    )
    parts = {
        "unet": unet,
        "vae": vae,
        "text_encoder": text,
        "tokenizer": tokenizer,
        "scheduler": scheduler,
    }
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    tiny.save_pretrained(folder / "preview")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1"}
    for name, part in parts.items():
        library = type(part).__module__.split(".")[0]
        index[name] = [library, type(part).__name__]
    index |= {"safety_checker": [None, None], "feature_extractor": [None, None]}
    (folder / "model_index.json").write_text(json.dumps(index | {"requires_safety_checker": False}))
    (folder / "concepts.json").write_text(json.dumps(["red disc", "blue cross"]))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Random\n\nNothing was learned.\n")
    return folder


def control_folder(folder: Path, of: Path, seed: int, **said: str) -> None:
    """A control of random weights, its zero convolutions moved, for another's UNet."""
    from diffusers import ControlNetModel, UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(of / "unet")
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8, 16))
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.startswith(("controlnet_", "controlnet_cond_embedding.conv_out")):
                p.copy_(0.3 * torch.randn_like(p))
    net.save_pretrained(folder)
    (folder / "studio.json").write_text(json.dumps({"title": folder.name, "control": said}))
