"""The parts of a checkpoint in diffusers layout, one folder each, as its family asks for them."""

from __future__ import annotations

from typing import Any

from torch import nn

from studio.checkpoints import parts
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.text import TextEncoder


class Folder:
    """Reads one checkpoint's parts onto a device; raises BadCheckpoint with a sentence."""

    def __init__(self, entry: Entry, device: str) -> None:
        self.entry, self.device = entry, device

    def scheduler(self) -> dict[str, Any]:
        """The scheduler's configuration."""
        return read_json(self.entry.folder / "scheduler" / "scheduler_config.json")

    def network(self, part: str, kind: Any) -> nn.Module:
        """The UNet or the VAE, for inference."""
        return parts.network(self.entry, part, kind, self.device)

    def text(self, suffix: str = "") -> TextEncoder:
        """The text encoder with its tokenizer; the second has the suffix "_2"."""
        return TextEncoder(self.entry.folder, self.device, suffix)
