"""PixArt-α and -Σ (Chen et al. 2023, 2024): a DiT that attends to T5's text, or to a BERT's.

Attention to the text is masked where there is none, so that how far it is padded makes no
difference: a BERT's prompts are padded to its own length and not to the pipeline's. α at 1024 px
also takes the picture's height, width and their ratio; they are read off the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from studio.checkpoints.checkpoint import Progress
from studio.checkpoints.concepts import Concepts
from studio.checkpoints.conditions import Asked, Condition, Conditions
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.parts import Autoencoder, network, size
from studio.checkpoints.spoken import Said
from studio.checkpoints.text import TextEncoder
from studio.checkpoints.text_t5 import T5
from studio.diffusion.path import from_config
from studio.diffusion.prediction import kind_of


class PixArt:
    """A loaded checkpoint of this family; see `checkpoint.Checkpoint` for what it can do."""

    def __init__(self, entry: Entry, device: str, progress: Progress) -> None:
        from diffusers.models.transformers.pixart_transformer_2d import PixArtTransformer2DModel

        self.entry, self.device = entry, device
        self.path = from_config(read_json(entry.folder / "scheduler" / "scheduler_config.json"))
        self.prediction = kind_of(entry.prediction)
        progress("reading the text encoder", 0.1)
        self._read_text(entry)
        progress("reading the transformer", 0.5)
        self.network = network(entry, "transformer", PixArtTransformer2DModel, device)
        config = self.network.config
        learned = config.out_channels == 2 * config.in_channels
        self.variance = "learned_range" if learned else "fixed_small"
        progress("reading the autoencoder", 0.8)
        pictures = Autoencoder(entry, device)
        self.latent, self.tiny = pictures.latent, pictures.tiny
        self.decode, self.embed = pictures.decode, pictures.embed
        self.bytes = size(self.network) + self.text.bytes + pictures.bytes

    def _read_text(self, entry: Entry) -> None:
        """The text encoder, and what it knows to be near a prompt; T5 is not asked for that."""
        length = entry.options["tokens"]
        if entry.options["encoder"] == "t5":
            self.text: T5 | TextEncoder = T5(entry.folder, self.device, "", length)
            return
        self.text = TextEncoder(entry.folder, self.device)
        self.text.length = min(self.text.length, length)
        concepts = Concepts(entry, self.text)
        self.nearest, self.known = concepts.nearest, concepts.known  # type: ignore[method-assign]

    def encode(self, asked: Asked) -> Condition:
        """The text in small letters, as the authors' training captions were."""
        states, mask = self.text.hidden_and_mask(asked.text.lower().strip())
        return {"context": states, "mask": mask}

    @property
    def encoders(self) -> dict[str, Any]:
        """What reads the text, by part."""
        return {"text_encoder": self.text}

    def said(self, prompt: str) -> tuple[Said, ...]:
        """What stands at each place of the context."""
        return self.text.said(prompt.lower().strip())

    @torch.no_grad()
    def predict(self, x: Tensor, t: Sequence[float], conditions: Conditions) -> Tensor:
        times = torch.tensor(t, dtype=torch.float32, device=x.device)
        return self.network(
            x,
            encoder_hidden_states=conditions["context"],
            encoder_attention_mask=conditions["mask"],
            timestep=times,
            added_cond_kwargs=self._sizes(x),
            return_dict=False,
        )[0]

    def _sizes(self, x: Tensor) -> dict[str, Tensor | None]:
        """α's micro-conditions: (height, width) in pixels and height/width, for each row."""
        if not self.network.use_additional_conditions:
            return {"resolution": None, "aspect_ratio": None}
        height, width = (side * self.latent.down for side in x.shape[2:])
        return {
            "resolution": torch.tensor([[height, width]] * len(x), dtype=x.dtype, device=x.device),
            "aspect_ratio": torch.full((len(x), 1), height / width, device=x.device),
        }

    def nearest(self, prompt: str, count: int = 5) -> tuple[tuple[str, float], ...]:
        return ()

    def known(self, prompt: str) -> bool:
        return True

    def notes(self, prompt: str) -> tuple[str, ...]:
        unread = self.text.unread(prompt.lower().strip())
        if not unread:
            return ()
        return (f"The prompt's last {unread} tokens were not read: it is too long for this model.",)


def load(entry: Entry, device: str, progress: Progress, others: dict[str, Entry]) -> PixArt:
    """A PixArt from its folder; raises BadCheckpoint with a sentence."""
    return PixArt(entry, device, progress)
