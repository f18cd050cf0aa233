"""A single file, or the authors' DiT weights, written as a folder in diffusers layout.

The folder is made beside its place and moved there when it is whole, so that nothing half-written
is ever offered.
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from studio.checkpoints import headers, weights
from studio.checkpoints.catalog import only
from studio.checkpoints.entry import Entry
from studio.checkpoints.inspect import inspect
from studio.checkpoints.load import reason
from studio.checkpoints.single import SingleFile
from studio.errors import BadCheckpoint, StudioError

log = logging.getLogger(__name__)
SHARD = "2GB"  # of one file at most


def convert(source: Path, out: Path, tell: Callable[[str], None]) -> Entry:
    """Write the checkpoint at `source` as the folder `out`, which must not exist yet.

    Weights keep the dtype that most of them are stored in. Returns the new folder's entry. Raises
    BadCheckpoint with a sentence.
    """
    if out.exists():
        raise BadCheckpoint(f"{out.name} is here already; name another folder.")
    if not source.exists():
        raise BadCheckpoint(f"There is no {source.name} there.")
    entry = only(source)[source.stem if source.is_file() else source.name]
    if (source / "model_index.json").is_file():
        raise BadCheckpoint(f"{source.name} is a folder in diffusers layout already.")
    if entry.family not in WRITERS:
        raise BadCheckpoint(f"{source.name} cannot be written as a folder in diffusers layout.")
    half = out.with_name(f".{out.name}.part")
    shutil.rmtree(half, ignore_errors=True)
    try:
        half.mkdir(parents=True)
        parts = WRITERS[entry.family](entry, half, tell)
        index = {"_class_name": _pipeline(entry), "_diffusers_version": version("diffusers")}
        (half / "model_index.json").write_text(json.dumps(index | parts, indent=2))
        half.rename(out)
    except StudioError:
        raise
    except OSError as error:
        why = error.strerror
        raise BadCheckpoint(
            f"{out.name} could not be written ({why}); choose another place."
        ) from None
    except Exception as error:  # the libraries raise of every kind on files that make no sense
        log.warning("%s is not converted", entry.id, exc_info=error)
        why = reason(error, source)
        raise BadCheckpoint(f"{entry.id} does not load: {why}.") from None
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return inspect(out)


def _dit(entry: Entry, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """The authors' names become the library's; its class has the embedders in every block."""
    from diffusers import AutoencoderKL, DDIMScheduler

    from studio.checkpoints.families import dit

    tell("reading the transformer")
    made = dit._transformer(entry, "cpu")
    own = type(made).from_config(made.config).pos_embed.pos_embed
    if not torch.allclose(made.pos_embed.pos_embed, own, atol=1e-4):
        raise BadCheckpoint(
            f"{entry.id} has positions of its own, and the library's class computes them; it "
            "cannot be written as a folder in diffusers layout."
        )
    for block in made.transformer_blocks[1:]:
        block.norm1.emb = copy.deepcopy(block.norm1.emb)
    tell("writing the transformer")
    _save(made, out / "transformer", _most(headers.weights(entry.folder)))
    del made
    tell("writing the autoencoder")
    vae = weights.network(AutoencoderKL, entry.folder / "vae")
    _save(vae, out / "vae", _most(headers.weights(entry.folder / "vae")))
    scheduler = DDIMScheduler(
        beta_schedule="linear",
        beta_start=1e-4,
        beta_end=0.02,
        clip_sample=False,
        set_alpha_to_one=True,
    )
    scheduler.save_pretrained(out / "scheduler")
    said = {"title": entry.title, "knows": entry.knows, **entry.options}
    (out / "studio.json").write_text(json.dumps(said, indent=2, ensure_ascii=False))
    named = {str(k): name for k, name in enumerate(entry.classes)}
    return {
        "id2label": named,
        "transformer": ["diffusers", "DiTTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "DDIMScheduler"],
    }


def _ldm(entry: Entry, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Each part of the one file into a folder of its own, by the same reader that loads it."""
    import diffusers

    source, stored = SingleFile(entry, "cpu"), _most((headers.read(entry.folder),))
    xl = entry.family == "sdxl"
    suffixes = ("",) if not xl else ("", "_2") if entry.options["first"] else ("_2",)
    parts: dict[str, Any] = {"text_encoder": [None, None], "tokenizer": [None, None]}
    for suffix in suffixes:
        tell(f"writing the text encoder{suffix.replace('_', ' ')}")
        text = source.text(suffix)
        _save(text.model, out / f"text_encoder{suffix}", stored)
        text.tokenizer.save_pretrained(out / f"tokenizer{suffix}")
        parts[f"text_encoder{suffix}"] = ["transformers", type(text.model).__name__]
        parts[f"tokenizer{suffix}"] = ["transformers", type(text.tokenizer).__name__]
    for part, name in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")):
        tell(f"writing the {part}")
        _save(source.network(part, getattr(diffusers, name)), out / part, stored)
        parts[part] = ["diffusers", name]
    (out / "scheduler").mkdir()
    config = source.scheduler()
    (out / "scheduler" / "scheduler_config.json").write_text(json.dumps(config, indent=2))
    parts["scheduler"] = ["diffusers", config["_class_name"]]
    said = {"title": entry.title, "knows": entry.knows, "licence": entry.licence}
    (out / "studio.json").write_text(json.dumps(said, indent=2, ensure_ascii=False))
    if xl:
        parts["requires_aesthetics_score"] = bool(entry.options["scored"])
        parts["force_zeros_for_empty_prompt"] = bool(entry.options["zeros"])
    return parts


def _pipeline(entry: Entry) -> str:
    """The pipeline that opens it."""
    if entry.family == "dit":
        return "DiTPipeline"
    line = "StableDiffusionXL" if entry.family == "sdxl" else "StableDiffusion"
    if entry.options.get("inpaints"):
        return f"{line}InpaintPipeline"
    return f"{line}Img2ImgPipeline" if entry.options.get("scored") else f"{line}Pipeline"


def _save(made: nn.Module, folder: Path, dtype: torch.dtype) -> None:
    made.to(dtype).save_pretrained(folder, safe_serialization=True, max_shard_size=SHARD)


def _most(found: tuple[headers.Header, ...]) -> torch.dtype:
    """The dtype that most tensors are stored in."""
    counts = Counter(d for header in found for d in header.dtypes.values() if d in weights.DTYPES)
    return weights.DTYPES[counts.most_common(1)[0][0]] if counts else torch.float32


Write = Callable[[Entry, Path, Callable[[str], None]], dict[str, Any]]
WRITERS: dict[str, Write] = {"dit": _dit, "sd": _ldm, "sdxl": _ldm}
