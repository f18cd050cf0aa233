"""What lies beside the weights of `icons-dit` and `icons-flow`: their first recipe, names, preview,
figures; and one copy of the parts that they share with `icons-unet`.
"""

import filecmp
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DiffusionPipeline, DiTPipeline, PixArtAlphaPipeline

from studio.training import measure
from studio.training.dataset import IconData

STEPS, SCALE = 20, 3.5  # of the first picture
TITLES = {"dit": "Icons DiT", "flow": "Icons Flow"}
SAMPLERS = {"dit": "ddim", "flow": "dpmpp_2m"}  # what their schedulers are in the studio
LIKED = ("red apple", "rocket", "smiling face", "blue heart", "panda", "hamburger", "tree", "star")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a card says of an export; `parameters` of the transformer as it is stored."""

    parameters: int
    seconds: float
    threads: int
    losses: tuple[tuple[int, float], ...]


def describe(folder: Path, name: str, data: IconData, rows: list[int]) -> None:
    """`studio.json`: a title, what it draws, the licences of its pictures, a first recipe, and
    prompts to try. Of a class-conditional network too: a prompt may name the class.
    """
    concepts = sorted({data.concepts[data.records[row].concept].name for row in rows})
    sets = {data.records[row].set for row in rows}
    liked = [word for word in LIKED if word in concepts] or concepts[:6]
    asked = "by its class" if name == "dit" else "from a few words"
    said = {
        "title": TITLES[name],
        "knows": f"draws any of {len(concepts)} everyday things as an icon {asked}, 128 px",
        "licence": ", ".join(sorted({data.licences[key]["licence"] for key in sets})),
        "defaults": {
            "prompt": liked[0],
            "sampler": SAMPLERS[name],
            "spacing": "trailing",
            "steps": STEPS,
            "guidance": {"kind": "cfg", "scale": SCALE},
        },
        "examples": liked[:6],
    }
    (folder / "studio.json").write_text(json.dumps(said, indent=1) + "\n")
    if name == "flow":  # a class model lists its own in model_index.json
        (folder / "concepts.json").write_text(json.dumps(concepts, indent=0) + "\n")


def preview(folder: Path, base: Path) -> None:
    """A copy of the base's tiny decoder, where it has one: the states are the same."""
    if (base / "preview").is_dir():
        shutil.copytree(base / "preview", folder / "preview", dirs_exist_ok=True)


def share(folder: Path, base: Path) -> list[Path]:
    """Weights that `base`, beside `folder`, holds byte for byte become links to it; returns them.

    The preview is too small for that. `from_pretrained` follows them; whoever takes the folder
    elsewhere copies what they lead to (`cp -rL`).
    """
    shared = []
    for path in sorted(folder.rglob("*.safetensors")):
        twin = base / path.relative_to(folder)
        if path.parent.name == "preview" or not twin.is_file():
            continue
        if filecmp.cmp(path, twin, shallow=False):
            path.unlink()
            path.symlink_to(os.path.relpath(twin, path.parent))
            shared.append(path)
    return shared


def opened(folder: Path, name: str) -> DiffusionPipeline:
    """The folder in plain diffusers, in float32."""
    kind = {"dit": DiTPipeline, "flow": PixArtAlphaPipeline}[name]
    pipe = kind.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw(pipe: DiffusionPipeline, name: str, steps: int = STEPS, seed: int = 0):
    """A picture (H, W, 3) in [0, 1]: of class 0, or of "red apple"."""
    kind = {
        "num_inference_steps": steps,
        "guidance_scale": SCALE,
        "generator": torch.Generator().manual_seed(seed),
        "output_type": "np",
    }
    if name == "dit":
        return pipe([0], **kind).images[0]
    return pipe("red apple", use_resolution_binning=False, **kind).images[0]


def figures(folder: Path, name: str, run: Path, steps: int = STEPS) -> Figures:
    """Measured on the folder as anybody opens it."""
    pipe = opened(folder, name)
    draw(pipe, name, 2)  # the first call warms up
    seconds = []
    for seed in range(3):
        start = time.perf_counter()
        draw(pipe, name, steps, seed)
        seconds.append(time.perf_counter() - start)
    return Figures(
        parameters=sum(p.numel() for p in pipe.transformer.parameters()),
        seconds=min(seconds),
        threads=torch.get_num_threads(),
        losses=measure.losses(run),
    )
