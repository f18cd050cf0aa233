"""Small random image prompt adapters: tensors by their published names, and a tiny CLIP eye."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.checkpoints.small import shaken

SIDE, HIDDEN, EMBEDDED = 32, 16, 24  # of the encoder: pixels, states, embedding


def eye(folder: Path, **settings) -> None:
    """A CLIPVisionModelWithProjection in `folder`."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(31)
    config = CLIPVisionConfig(**{
        "hidden_size": HIDDEN, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8, "projection_dim": EMBEDDED,
    } | settings)  # fmt: skip
    shaken(CLIPVisionModelWithProjection(config), 1.0).save_pretrained(folder)


def prompt_tensors(unet, kind: str = "plain", seed: int = 7) -> dict[str, torch.Tensor]:
    """What the file of an adapter of a UNet holds; `kind` is "plain", "plus" or "full"."""
    torch.manual_seed(seed)
    wide = unet.config.cross_attention_dim
    made, number = {}, 1
    for name in unet.attn_processors:
        if name.endswith("attn1.processor"):
            continue
        width = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for part in "kv":
            made[f"ip_adapter.{number}.to_{part}_ip.weight"] = draw(width, wide)
        number += 2
    inner = {"plain": plain, "plus": plus, "full": full}[kind](wide)
    return made | {f"image_proj.{name}": tensor for name, tensor in inner.items()}


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape) / shape[-1] ** 0.5


def norm(name: str, width: int) -> dict[str, torch.Tensor]:
    return {f"{name}.weight": 1 + 0.3 * draw(width), f"{name}.bias": draw(width)}


def plain(wide: int) -> dict[str, torch.Tensor]:
    return {"proj.weight": draw(4 * wide, EMBEDDED), "proj.bias": draw(4 * wide)} | norm(
        "norm", wide
    )


def full(wide: int) -> dict[str, torch.Tensor]:
    return {
        "proj.0.weight": draw(HIDDEN, HIDDEN), "proj.0.bias": draw(HIDDEN),
        "proj.2.weight": draw(wide, HIDDEN), "proj.2.bias": draw(wide),
    } | norm("proj.3", wide)  # fmt: skip


def plus(wide: int, inner: int = 16, tokens: int = 5, heads: int = 1) -> dict[str, torch.Tensor]:
    made = {
        "latents": draw(1, tokens, inner),
        "proj_in.weight": draw(inner, HIDDEN), "proj_in.bias": draw(inner),
        "proj_out.weight": draw(wide, inner), "proj_out.bias": draw(wide),
    } | norm("norm_out", wide)  # fmt: skip
    for k in range(4):
        at = f"layers.{k}"
        made |= norm(f"{at}.0.norm1", inner) | norm(f"{at}.0.norm2", inner)
        made |= norm(f"{at}.1.0", inner)
        made |= {
            f"{at}.0.to_q.weight": draw(64 * heads, inner),
            f"{at}.0.to_kv.weight": draw(128 * heads, inner),
            f"{at}.0.to_out.weight": draw(inner, 64 * heads),
            f"{at}.1.1.weight": draw(4 * inner, inner),
            f"{at}.1.3.weight": draw(inner, 4 * inner),
        }
    return made


def prompt_folder(folder: Path, base: Path, kind: str = "plain", seed: int = 7, **more) -> Path:
    """An adapter for a base, with its encoder beside it; `more` are tensors in others' places."""
    from diffusers import UNet2DConditionModel

    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    eye(folder / "image_encoder")
    save_file(prompt_tensors(unet, kind, seed) | more, folder / "ip-adapter.safetensors")
    return folder
