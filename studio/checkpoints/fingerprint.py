"""Which weights a folder holds, as one number: what a control network remembers of its base."""

import hashlib
from pathlib import Path

from studio.errors import BadCheckpoint


def weights_sha256(folder: Path) -> str:
    """SHA-256 of the bytes of every `*.safetensors` file in `folder`, one after the other in the
    order of their names.

    Of a control's base this is taken over its denoiser's folder (`unet/`). Raises BadCheckpoint
    where there are no such files.
    """
    files = sorted(folder.glob("*.safetensors"), key=lambda path: path.name)
    if not files:
        raise BadCheckpoint(f"{folder.name} holds no safetensors file.")
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while part := stream.read(1 << 20):
                whole.update(part)
    return whole.hexdigest()
