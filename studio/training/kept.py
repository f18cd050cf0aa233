"""`train export --kept`: weights that a run kept on its way, each as a folder of its own, so that
`eval --models` can say how good the network was after so many steps.
"""

import argparse
import shutil
from pathlib import Path

import torch

from studio.errors import BadData
from studio.training import dataset, dit, flow, transformer_export, transformer_stages
from studio.training.control_stages import base_pipeline
from studio.training.export import MODEL, stored
from studio.training.recipes import RECIPES


def export(args: argparse.Namespace) -> int:
    """Write `runs/KIND/kept/KIND-STEP` for every `runs/KIND/kept/STEP.pt`."""
    folder = args.runs / args.kept / "kept"
    states = sorted(folder.glob("*.pt"))
    if not states:
        said = f"Nothing was kept in {folder}; train with --keep-every and a number of steps."
        raise BadData(said)
    data, pipe, config = dataset.load(args.data), base_pipeline(args), RECIPES[args.config]
    for path in states:
        out = folder / f"{args.kept}-{path.stem}"
        weights = torch.load(path, weights_only=True, map_location="cpu")
        if args.kept == "unet":
            pipe.unet.load_state_dict(weights)
            stored(pipe, out)
            _beside(args.out / MODEL, out)
        else:
            rows = transformer_stages.taught(data, config.concepts, args.kept)
            if args.kept == "dit":
                model = dit.build(config.dit, *_states(pipe))
                model.load_state_dict(weights)
                slugs = dit.choose(data, rows)
                transformer_stages.write_dit(pipe, dit.untie(model), data, slugs, out)
            else:
                width = pipe.text_encoder.config.hidden_size
                model = flow.build(config.flow, width, *_states(pipe))
                model.load_state_dict(weights)
                transformer_stages.write_flow(pipe, model.eval(), out)
            transformer_export.describe(out, args.kept, data, rows)
        print(f"wrote {out}", flush=True)
    return 0


def _states(pipe) -> tuple[int, int]:
    """Channels and side of the latents."""
    return pipe.unet.config.in_channels, pipe.unet.config.sample_size


def _beside(base: Path, out: Path) -> None:
    """What the base's folder says of itself: the same network, at another step."""
    for name in ("studio.json", "concepts.json"):
        if (base / name).is_file():
            shutil.copyfile(base / name, out / name)
