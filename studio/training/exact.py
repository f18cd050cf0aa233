"""`exact-icons`: a few hundred of the pictures, losslessly packed, for the ideal denoiser that
needs no network.

The folder holds `exact.json`, PNG sheets of 128 px tiles, and `captions.safetensors`: what a prompt
is compared with.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from studio.training import wellknown
from studio.training.dataset import IconData, Record
from studio.training.render import SIZE

# Measured with the shipped text encoder: names score 0.89 and more, nine of ten synonyms above 0.5;
# random letters stay below 0.52 in 95 of 100 cases, abstract nouns below 0.46.
THRESHOLD, TEMPERATURE = 0.48, 0.04
COLUMNS = 16
SHEET_TILES = 224
GROUPS = (
    "smileys-emotion",
    "animals-nature",
    "food-drink",
    "travel-places",
    "activities",
    "objects",
)
STYLES = 6  # drawn by so many sets: what everybody knows
MAIN_STYLE, OTHER_STYLES = "noto", ("fluent-emoji", "twemoji", "emojione", "fxemoji")
# DDPMScheduler's own fields: the schedule under which the ideal denoiser is asked. `shift`
# multiplies sigma_k: at 128 px a picture's fate is sealed at much more noise than the plain cosine
# spends its steps on, and x0 would be seen to settle in one step (Hoogeboom et al. 2023, sec. 3.1).
SCHEDULE = {
    "beta_schedule": "squaredcos_cap_v2",
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "shift": 8.0,
}


def choose(data: IconData) -> list[int]:
    """Rows of the best-known concepts in the main style, and favourites in other styles too."""
    rows = {(r.set, r.concept): i for i, r in enumerate(data.records)}
    main = [(MAIN_STYLE, slug) for slug in wellknown.drawn_often(data, STYLES, GROUPS)]
    more = [(style, slug) for slug in wellknown.favourites() for style in OTHER_STYLES]
    return [rows[key] for key in main + more if key in rows]


def caption(data: IconData, record: Record) -> str:
    return f"{data.concepts[record.concept].name} in {data.style(record)} style"


def write_sheets(pictures: np.ndarray, folder: Path) -> list[str]:
    """pictures (N, 128, 128, 3) → `pictures-0.png` … in rows of COLUMNS tiles, each sheet below 3
    MB.
    """
    names = []
    for first in range(0, len(pictures), SHEET_TILES):
        part = pictures[first : first + SHEET_TILES]
        height = -(-len(part) // COLUMNS)
        sheet = np.full((height * SIZE, COLUMNS * SIZE, 3), 255, np.uint8)
        for i, picture in enumerate(part):
            y, x = i // COLUMNS * SIZE, i % COLUMNS * SIZE
            sheet[y : y + SIZE, x : x + SIZE] = picture
        names.append(f"pictures-{first // SHEET_TILES}.png")
        Image.fromarray(sheet).save(folder / names[-1], optimize=True)
    return names


def write_pictures(data: IconData, folder: Path, rows: list[int]) -> None:
    """Everything but the embeddings."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [data.records[i] for i in rows]
    config = {
        "format": "exact",
        "version": 1,
        "size": SIZE,
        "tile": SIZE,
        "columns": COLUMNS,
        "sheets": write_sheets(data.pixels[rows], folder),
        "tiles_per_sheet": SHEET_TILES,
        "scheduler": SCHEDULE,
        "text_encoder": "icons-unet",
        "threshold": THRESHOLD,
        "temperature": TEMPERATURE,
        "pictures": [
            {
                "caption": caption(data, record),
                "name": data.concepts[record.concept].name,
                "concept": record.concept,
                "style": data.style(record),
            }
            for record in pictures
        ],
    }
    (folder / "exact.json").write_text(json.dumps(config, indent=1) + "\n")


def caption_embeddings(names: list[str], captions: list[str], embed) -> np.ndarray:
    """(N, D) float32 of length 1: half the bare name, half the caption with its style, so that
    either kind of prompt is near.
    """
    both = embed(names) + embed(captions)
    return both / np.linalg.norm(both, axis=1, keepdims=True)


def write_embeddings(folder: Path, embed) -> np.ndarray:
    """`captions.safetensors` for the pictures already in the folder. embed: list of texts → (N, D)
    of length 1.
    """
    from safetensors.numpy import save_file

    pictures = json.loads((folder / "exact.json").read_text())["pictures"]
    vectors = caption_embeddings(
        [p["name"] for p in pictures], [p["caption"] for p in pictures], embed
    )
    save_file({"embeddings": vectors.astype(np.float16)}, folder / "captions.safetensors")
    return vectors
