"""From a trained control network to its folder: float16 weights, what it was made for, figures and
a card.

`studio.json` names the base by the SHA-256 of its denoiser's weights: another base has other skips,
and the same residuals would mean something else there.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel

from studio.checkpoints.fingerprint import weights_sha256
from studio.errors import BadCheckpoint
from studio.imaging.preprocessors import PREPROCESSORS
from studio.metrics import looks
from studio.training import control_data, evaluated, measure
from studio.training.autoencoder import to_pixels, to_tensor
from studio.training.cards import FRONT, UNJUDGED, sources
from studio.training.control import Config
from studio.training.control_data import Held, Score
from studio.training.dataset import IconData
from studio.training.export import LIMIT, SHARD, forget

NEAREST = (1, 5)
SHOWN = 12  # held-out pictures on the card's sheet
# Advised (guidance, scale): measured to follow the lines well while words still tell; see
# docs/training.md.
ADVISED = {"canny": (2.5, 1.25), "scribble": (2.0, 1.5)}


@dataclass(frozen=True, slots=True)
class Figures:
    """Edges and concepts of pictures drawn from held-out hints, with the control and without."""

    followed: Score
    free: Score
    decoded: Score  # the held-out pictures themselves, through the VAE and back: the bound
    known: tuple[Score, Score, Score]  # the same for concepts that the base was taught
    plain: Score  # with the control at the base's own guidance and strength 1
    concepts: dict[str, tuple[float, ...]]  # who → shares found among the NEAREST


def write(folder: Path, control: ControlNetModel, kind: str, base: Path, size: int) -> None:
    """The stock ControlNetModel folder and `studio.json`; stale weights are removed first. `size`:
    of the hints, in pixels.
    """
    for old in folder.glob("*.safetensors*"):
        old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    control.half().save_pretrained(folder, safe_serialization=True, max_shard_size=SHARD)
    control.float()
    forget(folder / "config.json", "_name_or_path")
    preprocessor = PREPROCESSORS[kind]
    said = {
        "title": f"Icons control: {preprocessor.title}",
        "licence": "Apache-2.0, MIT, CC-BY-4.0",
        "control": {
            "kind": kind,
            "base": base.name,
            "base_sha256": weights_sha256(base / "unet"),
            "preprocessor": kind,
            "settings": {s.name: s.default for s in preprocessor.settings},
            "size": size,
            "scale": ADVISED[kind][1],
            "guidance": ADVISED[kind][0],
        },
    }
    (folder / "studio.json").write_text(json.dumps(said, indent=1) + "\n")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
        if path.is_file() and path.stat().st_size > LIMIT:
            raise BadCheckpoint(f"{path.name} is larger than 10 MB; lower the shard size.")


@torch.no_grad()
def figures(pipe, control, data: IconData, some: Held, steps: int, folder: Path) -> Figures:
    """Draw from every hint of `some` with and without the control; leaves a sheet in `images/`."""
    draw = {"vae": pipe.vae, "some": some, "steps": steps}
    told = json.loads((folder / "studio.json").read_text())["control"]
    advised = {"guidance": told["guidance"], "strength": told["scale"]}
    followed = control_data.generate(pipe.unet, control, **draw, **advised)
    plain = control_data.generate(pipe.unet, control, **draw)
    free = control_data.generate(pipe.unet, None, **draw, **advised)
    parts = [some.pictures[i : i + 8] for i in range(0, len(some.pictures), 8)]
    decoded = np.concatenate(
        [
            to_pixels(pipe.vae.decode(pipe.vae.encode(to_tensor(p)).latent_dist.mode()).sample)
            for p in parts
        ]
    )
    control_data.draw(folder / "images" / "samples.png", some.head(SHOWN), followed, free)
    rows = data.train_rows()
    gallery = np.stack([looks.describe(np.ascontiguousarray(data.pixels[row])) for row in rows])
    names = [data.concepts[data.records[row].concept].name for row in rows]
    concepts = {
        who: tuple(looks.retrieved(made, some.names, gallery, names, n) for n in NEAREST)
        for who, made in (("with", followed), ("without", free), ("real", some.pictures))
    }
    made = (followed, free, decoded)
    return Figures(
        *(control_data.score(pictures, some) for pictures in made),
        known=tuple(control_data.score(p[: some.known], some) for p in made),
        plain=control_data.score(plain, some),
        concepts=concepts,
    )


def card(folder: Path, kind: str, data: IconData, config: Config, run: Path, found: Figures) -> str:
    """README.md; what a person noted in `NOTES.md` is put in as it is."""
    said = json.loads((folder / "studio.json").read_text())["control"]
    losses = measure.losses(run)
    if losses:
        measure.draw_losses(losses, folder / "images" / "loss.png")
    notes = folder / "NOTES.md"
    judged = notes.read_text().strip() if notes.is_file() else UNJUDGED
    base = said["base"]
    settings = ", ".join(f"{name} {value:g}" for name, value in said["settings"].items())
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    return f"""{FRONT}
# {folder.name}

A control network for `{base}`: it draws what the words say where the lines of a picture are
({_called(kind)}). A stock `ControlNetModel`, {size:.1f} MB:

```python
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

control = ControlNetModel.from_pretrained("models/{folder.name}", dtype=torch.float32)
base = UNet2DConditionModel.from_pretrained("models/{base}/unet", dtype=torch.float32)
down, middle = control(xt, t, states, hint, return_dict=False)  # hint (B, 3, 128, 128) in [0, 1]
v = base(xt, t, states, down_block_additional_residuals=down,
         mid_block_additional_residual=middle).sample
```

![hint, with control, without, real](images/samples.png)

## How good it is

{judged}

{evaluated.section(folder)}

{_table(found)}

Edges: Canny edges of the generated picture against the hint's lines, forgiven by 2 px; means over
the pictures. Concepts: the nearest training pictures in gradients and colours (`looks.py`: no
learned space, so shares are low for real pictures too). The hints are of pictures that neither
network was trained on; the same prompt (the concept's name) and the same noise with and without; 20
DDIM steps at guidance {said["guidance"]:g} and a control scale of {said["scale"]:g}, which are
advised. At the
base's own guidance of 3.5 and a scale of 1, F1 with control is {found.plain.f1:.3f}.

![loss](images/loss.png)

## What it is

- **Base**: `{base}`, frozen. SHA-256 of its denoiser's weight files (the bytes of
  `unet/*.safetensors`, in order of name): `{said["base_sha256"]}`.
  It fits no other weights.
- **Hint**: {_called(kind)} by `studio/imaging/preprocessors.py` at 128 px ({settings}): the same
  function in training and in use; three equal channels in [0, 1].
- **Network**: the encoder's copy with zero-initialised projections; the hint comes in through
  convolutions of {", ".join(map(str, config.embedding))} channels, three times halved.
- **Training**: {losses[-1][0] if losses else 0} steps of {config.batch} pictures, v-prediction;
  {config.drop:.0%} of the prompts were the empty one; half of the pictures mirrored.

## Trained on

{len(data.train_rows())} pictures of {len(data.concepts)} concepts; {config.known:.0%} of the draws
are of those that the base was trained on. Held out: one style of
{sum(r.held for r in data.records)} concepts.

{sources(data, {record.set for record in data.records})}

`docs/training.md` says how this folder is made.
"""


def _called(kind: str) -> str:
    """Its name within a sentence; Canny is a person."""
    title = PREPROCESSORS[kind].title
    return title if title.startswith("Canny") else title.lower()


def _table(found: Figures) -> str:
    n, known = found.followed.count, found.known[0].count
    rows = [
        f"| {n} held-out hints | with control | without | the picture itself, through the VAE |",
        "|---|---|---|---|",
    ]
    lines = [(n, name, (found.followed, found.free, found.decoded)) for name in PARTS]
    if known:
        lines.append((known, "f1", found.known))
    for count, name, scores in lines:
        values = " | ".join(f"{getattr(score, name):.3f}" for score in scores)
        which = "" if count == n else f", {count} concepts that the base was taught"
        rows.append(f"| edges, {PARTS[name]}{which} | {values} |")
    for i, nearest in enumerate(NEAREST):
        shares = " | ".join(f"{found.concepts[who][i]:.0%}" for who in ("with", "without", "real"))
        rows.append(f"| concept among the nearest {nearest} | {shares} |")
    return "\n".join(rows)


PARTS = {"f1": "F1", "precision": "precision", "recall": "recall"}
