"""From trained parts to a folder that StableDiffusionPipeline.from_pretrained opens, with no file
above 10 MB.
"""

import json
from pathlib import Path

import torch
from diffusers import DDIMScheduler, DiffusionPipeline, StableDiffusionPipeline
from transformers import BertModel

from studio.errors import BadCheckpoint
from studio.training.unet import SCHEDULE

MODEL = "icons-unet"  # the folder below models/
SHARD = "9MB"
LIMIT = 10_000_000
TOKENS = 120  # PixArt's pipeline pads every prompt to so many


def pipeline(vae, model, tokens, unet) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=lengthened(model),
        tokenizer=tokens,
        unet=unet,
        scheduler=DDIMScheduler(**SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(folder: Path, vae, model, tokens, unet, preview=None, concepts: list[str] = ()) -> None:
    """Write the folder: float16 weights, `preview/` beside the pipeline's parts, `concepts.json`
    with the names trained on.
    """
    stored(pipeline(vae, model, tokens, unet), folder, preview)
    (folder / "concepts.json").write_text(json.dumps(sorted(concepts), indent=0) + "\n")


def lengthened(model: BertModel, tokens: int = TOKENS) -> BertModel:
    """The same encoder for longer padding: later positions repeat the last. They are masked, so
    that the states of a prompt stay what they were. One that is long enough is given back.
    """
    table = model.embeddings.position_embeddings.weight
    if len(table) >= tokens:
        return model
    config = type(model.config).from_dict(
        model.config.to_dict() | {"max_position_embeddings": tokens}
    )
    longer = BertModel(config).eval().requires_grad_(False)
    kept = dict(model.state_dict())
    kept["embeddings.position_embeddings.weight"] = torch.cat(
        [table, table[-1:].expand(tokens - len(table), -1)]
    )
    longer.load_state_dict(kept, strict=False)
    return longer


def stored(pipe: DiffusionPipeline, folder: Path, preview=None) -> Path:
    """A pipeline's folder with float16 weights in small files; the parts stay float32. Returns it.

    Weights that an earlier export left are removed first, so that no stale shard stays.
    """
    for old in folder.rglob("*.safetensors*"):
        old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    pipe.to(dtype=torch.float16).save_pretrained(
        folder, safe_serialization=True, max_shard_size=SHARD
    )
    if preview is not None:
        preview.half().save_pretrained(folder / "preview", safe_serialization=True)
        preview.float()
    pipe.to(dtype=torch.float32)
    config = folder / "text_encoder" / "config.json"  # or from_pretrained mixes float16 and float32
    if config.is_file():
        said = json.loads(config.read_text()) | {"dtype": "float32"}
        config.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            if path.name == "config.json":
                forget(path, "_name_or_path")  # a folder of the machine that trained
            if path.stat().st_size > LIMIT:
                raise BadCheckpoint(
                    f"{path.name} is larger than 10 MB; lower the shard size and export again."
                )
    if preview is not None:  # AutoencoderTiny writes this and then warns that it is unexpected
        forget(folder / "preview" / "config.json", "block_out_channels")
    return folder


def forget(path: Path, field: str) -> None:
    said = json.loads(path.read_text())
    if said.pop(field, None) is not None:
        path.write_text(json.dumps(said, indent=2) + "\n")


def check(folder: Path, prompt: str = "red apple", steps: int = 2):
    """Open the folder as anybody would and return a picture; raises BadCheckpoint if it fails."""
    try:
        pipe = StableDiffusionPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        return pipe(
            prompt, num_inference_steps=steps, generator=torch.Generator().manual_seed(0)
        ).images[0]
    except (OSError, ValueError, RuntimeError) as error:
        raise BadCheckpoint(f"{folder.name} does not open in diffusers: {error}") from error
