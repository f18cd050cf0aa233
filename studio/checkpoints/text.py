"""Text encoders: a tokenizer and a transformer, read from a folder or made elsewhere."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from studio.checkpoints import held, weights
from studio.checkpoints.allowed import part_class
from studio.checkpoints.encoders import encoder
from studio.checkpoints.entry import read_json
from studio.checkpoints.inversion import Inversions
from studio.checkpoints.place import place
from studio.checkpoints.spoken import Said, said
from studio.checkpoints.tokens import tokens
from studio.checkpoints.weighting import Laid, count_pieces, lay, lay_pieces, weigh
from studio.prompting import Tokens


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
        self.pieced = str(getattr(config, "model_type", "")).startswith("clip")
        self.inversions: Inversions | None = None
        self.worn: tuple = ()  # which adapters change it now, and how strongly
        self._empty: dict[tuple, Tensor] = {}  # what the empty prompt has, by kind and adapters
        self.device = device
        self.bytes = sum(p.numel() * p.element_size() for p in self.model.parameters())

    @torch.no_grad()
    def hidden(self, prompt: str, count: int = 1) -> Tensor:
        """(count·T, D): what Stable Diffusion's UNet attends to, padding included.

        The prompt's weights are in it. `count` readings, of `pieces`, stand one behind the other.
        """

        def read(laid: Laid) -> Tensor:
            mask = laid.mask[None].to(self.device) if self.masked else None
            return self.model(self._ids(laid), attention_mask=mask)[0][0].float()

        laid = self._lay(prompt, count)
        return torch.cat([self._weighed("hidden", each, read(each), read) for each in laid])

    @torch.no_grad()
    def hidden_and_mask(self, prompt: str) -> tuple[Tensor, Tensor]:
        """(T, D) without attending to padding, and the mask (T): 1 where a token is. One reading.

        PixArt's pipeline masks so, whatever the encoder's configuration says.
        """

        def read(laid: Laid) -> Tensor:
            mask = laid.mask[None].to(self.device)
            return self.model(self._ids(laid), attention_mask=mask)[0][0].float()

        laid = lay(self.tokenizer, prompt, self.length)
        return self._weighed("masked", laid, read(laid), read), laid.mask.to(self.device)

    @torch.no_grad()
    def penultimate(self, prompt: str, count: int = 1) -> tuple[Tensor, Tensor | None]:
        """(count·T, D) of the layer before the last, which SDXL attends to; CLIP's pooled (P,).

        The latter is of the first reading, without weights; None where the encoder has no
        projection.
        """

        def run(laid: Laid) -> Any:
            return self.model(self._ids(laid), output_hidden_states=True)

        def read(laid: Laid) -> Tensor:
            return run(laid).hidden_states[-2][0].float()

        laid = self._lay(prompt, count)
        outs = [run(each) for each in laid]
        states = [
            self._weighed("penultimate", each, out.hidden_states[-2][0].float(), read)
            for each, out in zip(laid, outs, strict=True)
        ]
        pooled = outs[0].text_embeds[0].float() if hasattr(outs[0], "text_embeds") else None
        return torch.cat(states), pooled

    @torch.no_grad()
    def pooled(self, prompt: str) -> Tensor:
        """(D,): CLIP's last state at the text's end, without a projection; FLUX takes it."""
        ids = lay(self.tokenizer, prompt, self.length).ids[None].to(self.device)
        return self.model(ids).pooler_output[0].float()

    def pieces(self, prompt: str) -> int:
        """How many readings hold the whole prompt; one where the encoder reads only once."""
        return count_pieces(self.tokenizer, prompt, self.length) if self.pieced else 1

    def tokens(self, prompt: str) -> Tokens:
        """How many tokens the prompt has, of how many that are read."""
        return tokens(self.tokenizer, prompt, self.length, self.pieced)

    def said(self, prompt: str, encoder: str = "") -> tuple[Said, ...]:
        """What stands at each place of the first reading."""
        return said(self.tokenizer, self._lay(prompt, 1)[0], encoder)

    def learn(self, id: str, vectors: Tensor) -> None:
        """Take the vectors (n, D) of a textual inversion; see `inversion`."""
        if self.inversions is None:
            self.inversions = Inversions(self.tokenizer, self.model, self.device)
        self.inversions.add(id, vectors)

    def _ids(self, laid: Laid) -> Tensor:
        ids = laid.ids if self.inversions is None else self.inversions.ids(laid.ids)
        return ids[None].to(self.device)

    def _lay(self, prompt: str, count: int) -> list[Laid]:
        if self.pieced:
            return lay_pieces(self.tokenizer, prompt, self.length, count)
        return [lay(self.tokenizer, prompt, self.length)]

    def _weighed(
        self, kind: str, laid: Laid, states: Tensor, read: Callable[[Laid], Tensor]
    ) -> Tensor:
        if laid.plain:
            return states
        key = (kind, self.worn)
        if key not in self._empty:
            self._empty = {k: v for k, v in self._empty.items() if not k[1]}
            self._empty[key] = read(lay(self.tokenizer, "", self.length))
        return weigh(states, self._empty[key], laid.weights)

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

    def unread(self, prompt: str) -> int:
        """How many of the prompt's tokens lie beyond what is read."""
        return self.tokens(prompt).unread
