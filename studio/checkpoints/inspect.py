"""What a folder holds, read off its JSON and its safetensors headers: no weights, no torch.

Everything that a later step relies on is checked here: known classes only, safetensors only, no
link out of the folder. The pipeline that a folder names decides which layout reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.checkpoints import headers
from studio.checkpoints.entry import Entry, check_inside, read_json
from studio.checkpoints.layouts import dit, exact, flux, pixart, pixel, sd, sd3, sdxl, single
from studio.errors import BadCheckpoint

Describe = Callable[[Path], Entry]


def inspect(folder: Path) -> Entry:
    """The entry of one checkpoint, a folder or a file; raises BadCheckpoint with a sentence."""
    if folder.is_file():
        return single.describe(folder)
    check_inside(folder)
    if (folder / "model_index.json").is_file():
        return pipeline(folder)(folder)
    for marker, describe in MARKERS.items():
        if (folder / marker).is_file():
            return describe(folder)
    if dit.official_file(folder) is not None:
        return dit.official(folder)
    headers.pickled(folder, folder.iterdir())
    raise BadCheckpoint(f"{folder.name} is not of a family that this studio knows.")


def pipeline(folder: Path) -> Describe:
    """What reads a folder of the pipeline that its `model_index.json` names."""
    named = str(read_json(folder / "model_index.json").get("_class_name"))
    if named not in PIPELINES:
        raise BadCheckpoint(
            f"{folder.name} is for {named[:60]!r}, and no family of this studio reads that."
        )
    return PIPELINES[named]


MARKERS: dict[str, Describe] = {  # the file that tells a folder without a model_index.json
    "exact.json": exact.describe,
}
PIPELINES: dict[str, Describe] = {  # as `model_index.json` names them
    "StableDiffusionPipeline": sd.describe,
    "StableDiffusionImg2ImgPipeline": sd.describe,
    "StableDiffusionInpaintPipeline": sd.describe,
    "LatentConsistencyModelPipeline": sd.describe,
    "StableDiffusionXLPipeline": sdxl.describe,
    "StableDiffusionXLImg2ImgPipeline": sdxl.describe,
    "StableDiffusionXLInpaintPipeline": sdxl.describe,
    "DiTPipeline": dit.describe,
    "PixArtAlphaPipeline": pixart.describe,
    "PixArtSigmaPipeline": pixart.describe,
    "StableDiffusion3Pipeline": sd3.describe,
    "FluxPipeline": flux.describe,
    "DDPMPipeline": pixel.describe,
    "DDIMPipeline": pixel.describe,
}
