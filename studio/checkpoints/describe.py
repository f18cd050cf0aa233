"""What a checkpoint is made of, part by part, read off JSON and headers: no weights, no torch."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.checkpoints import headers
from studio.checkpoints.entry import Entry, read_json
from studio.checkpoints.headers import Header
from studio.checkpoints.layouts.dit import official_file
from studio.errors import BadCheckpoint

NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8", "F8_E5M2": "float8", "I8": "int8", "U8": "uint8",
}  # fmt: skip
TOLD = (  # fields of a scheduler that say which path and which prediction it is
    "beta_schedule", "beta_start", "beta_end", "num_train_timesteps", "prediction_type",
    "timestep_spacing", "rescale_betas_zero_snr", "shift", "use_dynamic_shifting", "variance_type",
    "use_flow_sigmas", "flow_shift",
)  # fmt: skip
AUTHORS = "DiT"  # the kind of a transformer in its authors' names, which is held in float32
GROUPS = {  # a single file's own prefixes, and the part that each is
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
    "text_encoders.": "text_encoders",
    "blocks.": "transformer",
    "x_embedder.": "transformer",
    "y_embedder.": "transformer",
    "t_embedder.": "transformer",
    "final_layer.": "transformer",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A component: its folder's name, its class, and what its weights take on disk."""

    name: str
    kind: str
    headers: tuple[Header, ...] = ()
    parameters: int = 0
    dtype: str = ""
    bytes: int = 0


def parts(entry: Entry) -> tuple[Part, ...]:
    """The parts of a checkpoint, networks first, the largest before the others."""
    if entry.folder.is_file():
        return _of_file(entry.folder)
    named = _named(entry.folder)
    found = [_part(entry.folder / name, kind) for name, kind in named.items()]
    indexed = (entry.folder / "model_index.json").is_file()
    official = None if indexed else official_file(entry.folder)
    if official is not None:
        found.append(_authors(headers.read(official)))
    elif not named and any(entry.folder.glob("*.safetensors")):
        found = [_part(entry.folder, _own_class(entry.folder))]
    return tuple(sorted(found, key=lambda part: -part.parameters))


def scheduler(entry: Entry) -> tuple[tuple[str, str], ...]:
    """The scheduler's class and the fields that matter, as words; nothing where there is none."""
    file = entry.folder / "scheduler" / "scheduler_config.json"
    if entry.folder.is_file() or not file.is_file():
        return ()
    said = read_json(file)
    fields = [("class", str(said.get("_class_name", ""))[:60])]
    told = [k for k in TOLD if said.get(k) is not None]
    if said.get("use_flow_sigmas"):  # then its betas are not used
        told = [k for k in told if not k.startswith(("beta_", "rescale_"))]
    fields += [(k, json.dumps(said[k])[:60].strip('"')) for k in told]
    return tuple(fields)


def dtypes(found: Iterable[Header]) -> str:
    """The stored dtypes in words, the most frequent first."""
    counts = Counter(NAMES.get(d, d) for header in found for d in header.dtypes.values())
    return ", ".join(name for name, _ in counts.most_common())


def _named(folder: Path) -> dict[str, str]:
    """Part → class, as `model_index.json` says, and the preview decoder that may lie beside."""
    if not (folder / "model_index.json").is_file():
        inner = sorted(f for f in folder.iterdir() if (f / "config.json").is_file())
        return {f.name: _own_class(f) for f in inner}
    said: dict[str, Any] = read_json(folder / "model_index.json")
    named = {
        part: str(value[1])[:60]
        for part, value in said.items()
        if isinstance(value, list) and len(value) == 2 and value[1] and (folder / part).is_dir()
    }
    if (folder / "preview" / "config.json").is_file():
        named["preview"] = _own_class(folder / "preview")
    return named


def _part(folder: Path, kind: str) -> Part:
    try:
        found = headers.weights(folder)
    except BadCheckpoint:
        if kind.endswith(("Tokenizer", "TokenizerFast", "Scheduler", "Processor", "Extractor")):
            return Part(folder.name, kind)
        raise
    parameters = sum(h.parameters for h in found)
    return Part(folder.name, kind, found, parameters, dtypes(found), sum(h.bytes for h in found))


def _authors(header: Header) -> Part:
    """DiT as its authors store it: one file beside the folder of its VAE."""
    stored = dtypes((header,))
    return Part("transformer", AUTHORS, (header,), header.parameters, stored, header.bytes)


def _own_class(folder: Path) -> str:
    if not (folder / "config.json").is_file():
        return ""
    said = read_json(folder / "config.json")
    listed = said.get("architectures")
    name = said.get("_class_name") or (listed[0] if isinstance(listed, list) and listed else "")
    return str(name)[:60]


def _of_file(file: Path) -> tuple[Part, ...]:
    """The parts of a single file, told by the prefixes of its names."""
    header = headers.read(file)
    numbers: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    stored: dict[str, Counter[str]] = {}
    for name, (first, end) in header.spans.items():
        part = next((part for prefix, part in GROUPS.items() if name.startswith(prefix)), "other")
        numbers[part] += math.prod(header.shapes[name])
        sizes[part] += end - first
        dtype = header.dtypes[name]
        stored.setdefault(part, Counter())[NAMES.get(dtype, dtype)] += 1
    said = {part: ", ".join(d for d, _ in counts.most_common()) for part, counts in stored.items()}
    return tuple(
        Part(part, "", (header,), count, said[part], sizes[part])
        for part, count in numbers.most_common()
    )
