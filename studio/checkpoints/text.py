"""Text encoders: a tokenizer and a transformer, read from a folder or made elsewhere."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from studio.checkpoints import held, weights
from studio.checkpoints.allowed import part_class
from studio.checkpoints.encoders import encoder
from studio.checkpoints.entry import read_json
from studio.checkpoints.place import place


class TextEncoder:
    """A prompt in; its hidden states, a pooled vector or one normalised embedding out."""

    def __init__(self, folder: Path, device: str = "cpu", suffix: str = "") -> None:
        """`folder` holds `tokenizer/` and `text_encoder/`, each with the suffix, e.g. "_2".

        Raises BadCheckpoint, or what the library raises; `load` makes a sentence of that.
        """
        index = read_json(folder / "model_index.json")
        transformers = importlib.import_module("transformers")
        transformers.logging.disable_progress_bar()
        transformers.logging.set_verbosity_error()
        made = {}
        for part in ("tokenizer", "text_encoder"):
            name = part_class(folder.name, part + suffix, index.get(part + suffix))
            made[part] = getattr(transformers, name)
        tokenizer = made["tokenizer"].from_pretrained(
            folder / f"tokenizer{suffix}", local_files_only=True
        )
        model = encoder(made["text_encoder"], folder / f"text_encoder{suffix}", device)
        self._take(tokenizer, model, device)

    @classmethod
    def of(cls, tokenizer: Any, model: Any, device: str, name: str) -> TextEncoder:
        """From a tokenizer and a transformer that are here already; `name` is for errors."""
        for parameter, p in model.named_parameters():
            weights.check_finite(p, name, parameter)
        model.to(held.dtype_for(place(device), "text_encoder"))
        made = cls.__new__(cls)
        made._take(tokenizer, held.hold(model, device, "text_encoder"), device)
        return made

    def _take(self, tokenizer: Any, model: Any, device: str) -> None:
        self.tokenizer, self.model = tokenizer, model
        config = self.model.config
        self.masked = bool(getattr(config, "use_attention_mask", False))
        room = getattr(config, "max_position_embeddings", 77)
        self.length = min(self.tokenizer.model_max_length, room)
        self.device = device
        self.bytes = sum(p.numel() * p.element_size() for p in self.model.parameters())

    @torch.no_grad()
    def hidden(self, text: str) -> Tensor:
        """(T, D): what Stable Diffusion's UNet attends to, padding included."""
        tokens = self._tokens(text)
        mask = tokens.attention_mask if self.masked else None
        return self.model(tokens.input_ids, attention_mask=mask)[0][0].float()

    @torch.no_grad()
    def penultimate(self, text: str) -> tuple[Tensor, Tensor | None]:
        """(T, D) of the layer before the last, which SDXL attends to, and CLIP's pooled (P,).

        None stands for the latter where the encoder has no projection.
        """
        out = self.model(self._tokens(text).input_ids, output_hidden_states=True)
        pooled = out.text_embeds[0].float() if hasattr(out, "text_embeds") else None
        return out.hidden_states[-2][0].float(), pooled

    @torch.no_grad()
    def pooled(self, text: str) -> Tensor:
        """(D,): CLIP's last state at the text's end, without a projection; FLUX takes it."""
        return self.model(self._tokens(text).input_ids).pooler_output[0].float()

    def _tokens(self, text: str) -> Any:
        return self.tokenizer(
            text,
            padding="max_length",
            max_length=self.length,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)

    def embedding(self, text: str) -> Tensor:
        """(D,): the mean over the prompt's own tokens, of length 1. For cosine similarity."""
        return self._means([text])[0]

    def embeddings(self, texts: Sequence[str]) -> Tensor:
        """(N, D): as `embedding`, many at a time; they agree to rounding."""
        return torch.cat([self._means(texts[k : k + 64]) for k in range(0, len(texts), 64)])

    @torch.no_grad()
    def _means(self, texts: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(
            list(texts),
            padding=True,
            max_length=self.length,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)
        mask = tokens.attention_mask
        states = self.model(tokens.input_ids, attention_mask=mask)[0].float()
        means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(means, dim=1).cpu()

    def unread(self, text: str) -> int:
        """How many of the prompt's tokens lie beyond the encoder's length."""
        return max(0, len(self.tokenizer(text).input_ids) - self.length)
