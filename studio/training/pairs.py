"""Picture and caption pairs on a sheet, to be looked at before anything is trained on them."""

import random
from pathlib import Path

from studio.training.captions import all_phrases, variants
from studio.training.dataset import IconData
from studio.training.sheet import save_sheet


def draw(data: IconData, path: Path, seed: int, count: int = 72) -> None:
    """`count` pictures drawn at random (all, if there are fewer), each with one of its training
    captions.
    """
    chance = random.Random(seed)
    rows = chance.sample(range(len(data.records)), min(count, len(data.records)))
    known = all_phrases(data)
    texts = [chance.choice(variants(data.records[i], data, known, 6, seed)) for i in rows]
    save_sheet(path, [data.pixels[i] for i in rows], texts, 12)
