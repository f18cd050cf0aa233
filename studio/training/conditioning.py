"""Prompts to the states a denoiser attends to, exactly as Stable Diffusion's pipeline makes them:
padded to the full length.
"""

import torch

from studio.training import captions, wellknown
from studio.training.dataset import IconData
from studio.training.latents import encode
from studio.training.unet import Cache


@torch.no_grad()
def prompt_states(model, tokens, texts: list[str], batch: int = 256) -> torch.Tensor:
    """The last hidden states (M, T, D) float32 of these prompts, T the tokenizer's length; padding
    rows included.
    """
    out = []
    for first in range(0, len(texts), batch):
        enc = tokens(
            texts[first : first + batch],
            padding="max_length",
            max_length=tokens.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).to(model.device)
        out.append(model(enc["input_ids"], attention_mask=enc["attention_mask"])[0].cpu())
    return torch.cat(out)


def cache(
    data: IconData,
    rows: list[int],
    weights: list[float],
    vae,
    model,
    tokens,
    *,
    variants: int,
    seed: int,
    device: str = "cpu",
) -> Cache:
    """Latents of the rows and text states of `variants` captions of each; row 0 of the states is
    the empty prompt.
    """
    texts, chosen = written(data, rows, variants, seed)
    return Cache(
        latents=encode(vae, data.pixels, rows, device=device),
        states=prompt_states(model, tokens, texts).half(),
        captions=chosen,
        weights=torch.tensor(weights),
    )


def written(
    data: IconData, rows: list[int], variants: int, seed: int
) -> tuple[list[str], torch.Tensor]:
    """(texts, captions): every prompt of these rows once, the empty one first, and (N, variants)
    int64 places among them.
    """
    known = captions.all_phrases(data, wellknown.everyday())
    said = [captions.variants(data.records[i], data, known, variants, seed) for i in rows]
    texts = ["", *sorted({text for some in said for text in some})]
    place = {text: i for i, text in enumerate(texts)}
    return texts, torch.tensor([[place[text] for text in some] for some in said])


def masks(tokens, texts: list[str]) -> torch.Tensor:
    """(M, T) bool: which of `prompt_states`' rows belong to the prompt."""
    kind = {"padding": "max_length", "max_length": tokens.model_max_length, "truncation": True}
    return torch.tensor(tokens(texts, **kind)["attention_mask"]).bool()
