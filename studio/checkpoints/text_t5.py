"""T5's encoder: a prompt in, the states of a fixed number of tokens out."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints import spiece
from studio.checkpoints.encoders import encoder
from studio.checkpoints.entry import read_json
from studio.checkpoints.place import place
from studio.checkpoints.spoken import Said, said
from studio.checkpoints.tokens import tokens
from studio.checkpoints.weighting import Laid, lay, weigh
from studio.prompting import Tokens

MARKS = ("eos_token", "unk_token", "pad_token")


class T5:
    """Its states (T, D), every prompt padded to the same length; masked, where a family asks."""

    inversions = None  # words are learned for CLIP's encoders alone
    worn: tuple = ()  # which adapters change it now, and how strongly

    def __init__(self, folder: Path, device: str, suffix: str, length: int) -> None:
        """From `tokenizer` and `text_encoder` in `folder`, each with the suffix, e.g. "_2"."""
        transformers = importlib.import_module("transformers")
        transformers.logging.disable_progress_bar()
        transformers.logging.set_verbosity_error()
        self.tokenizer = tokenizer(folder / f"tokenizer{suffix}", transformers)
        at = place(device)
        exact = torch.float32 if at.dtype == "float16" else None  # T5 runs out of float16's range
        part = folder / f"text_encoder{suffix}"
        self.model = encoder(transformers.T5EncoderModel, part, device, exact)
        self.length, self.device = length, device
        self.bytes = sum(p.numel() * p.element_size() for p in self.model.parameters())

    @torch.no_grad()
    def context(self, text: str) -> Tensor:
        """(T, D), attending to its own padding too, as SD3 and FLUX were trained."""
        return self._weighed(text, masked=False)[0]

    @torch.no_grad()
    def hidden_and_mask(self, text: str) -> tuple[Tensor, Tensor]:
        """(T, D) without attending to padding, and the mask (T): 1 where a token is."""
        return self._weighed(text, masked=True)

    def tokens(self, prompt: str) -> Tokens:
        """How many tokens the prompt has, of how many that are read."""
        return tokens(self.tokenizer, prompt, self.length, pieced=False, marks=1)

    def said(self, prompt: str, encoder: str = "") -> tuple[Said, ...]:
        """What stands at each place of the context."""
        return said(self.tokenizer, lay(self.tokenizer, prompt, self.length), encoder)

    def unread(self, text: str) -> int:
        """How many of the prompt's tokens lie beyond the length."""
        return self.tokens(text).unread

    def _weighed(self, prompt: str, masked: bool) -> tuple[Tensor, Tensor]:
        """States with the prompt's weights in them, and the mask."""

        def read(laid: Laid) -> Tensor:
            ids, mask = laid.ids[None].to(self.device), laid.mask[None].to(self.device)
            return self.model(ids, attention_mask=mask if masked else None)[0][0].float()

        laid = lay(self.tokenizer, prompt, self.length)
        states = read(laid)
        if not laid.plain:
            states = weigh(states, read(lay(self.tokenizer, "", self.length)), laid.weights)
        return states, laid.mask.to(self.device)


def tokenizer(folder: Path, transformers: Any) -> Any:
    """T5's tokenizer, from `tokenizer.json` or from SentencePiece's own file alone."""
    if (folder / "tokenizer.json").is_file():
        return transformers.T5Tokenizer.from_pretrained(folder, local_files_only=True)
    pieces, charsmap = spiece.read(folder / "spiece.model")
    file = folder / "tokenizer_config.json"
    said = read_json(file) if file.is_file() else {}
    extra = said.get("extra_ids", 100)
    marks = {name: said[name] for name in MARKS if isinstance(said.get(name), str)}
    return transformers.T5Tokenizer(
        vocab=pieces,
        _spm_precompiled_charsmap=charsmap or None,
        extra_ids=extra if type(extra) is int and 0 <= extra <= 1000 else 100,
        **marks,
    )
