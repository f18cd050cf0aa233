"""The packed data set: one zip of SVG bodies and what is known of them, and the pixels rendered
from it.

`data/icons.zip` holds `meta.json` (records, concepts, licences, split) and `svgs.json` (LZMA).
Pixels are a memory map beside it, made from the zip and thrown away freely. Knows nothing about
text encoders or latents.
"""

import hashlib
import json
import random
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from studio.errors import BadData
from studio.training import concepts as names
from studio.training.render import SIZE, document, render_all
from studio.training.sources import SETS, WORDS, Package, licence, read_json

FORMAT = 2
HELD_STYLES, HELD_SYNONYMS = 200, 300


@dataclass(frozen=True, slots=True)
class Record:
    """One picture: which icon of which set, what it draws, and whether training may see it."""

    set: str
    icon: str
    concept: str
    held: bool = False


@dataclass(frozen=True, slots=True)
class IconData:
    """The whole set in memory. `pixels` (N, 128, 128, 3) uint8 is row for row with `records`."""

    records: tuple[Record, ...]
    concepts: dict[str, names.Concept]
    held_synonyms: dict[str, tuple[str, ...]]  # concept → words that no training caption holds
    licences: dict[str, dict]
    pixels: np.ndarray

    def style(self, record: Record) -> str:
        return self.licences[record.set]["style"]

    def train_rows(self) -> list[int]:
        return [i for i, record in enumerate(self.records) if not record.held]


def gather(
    archives: dict[str, Path], sets: dict[str, Package] = SETS
) -> tuple[list, list, dict, dict]:
    """(records, svgs, concepts, licences) of every icon that is kept, in an order that depends on
    nothing else.
    """
    base = archives["emojibase"]
    known, spellings = names.emoji_concepts(
        read_json(base, "en/data.json"),
        read_json(base, "en/messages.json"),
        read_json(base, "en/shortcodes/emojibase.json"),
        read_json(archives["emojilib"], "dist/emoji-en-US.json"),
    )
    records, svgs, seen = [], [], set()
    licences = {
        k: licence(p, archives[k]) | {"style": p.style} for k, p in {**sets, **WORDS}.items()
    }
    for key, package in sets.items():
        icons = read_json(archives[key], "icons.json")
        aliases: dict[str, list[str]] = {}
        for alias, target in sorted(icons.get("aliases", {}).items()):
            aliases.setdefault(target["parent"], []).append(alias)
        for icon, drawn in sorted(icons["icons"].items()):
            concept = names.place(
                icon, aliases.get(icon, []), spellings, own_names=package.own_names
            )
            if concept is None or (key, concept) in seen:
                continue
            seen.add((key, concept))
            known.setdefault(concept, names.own_concept(concept))
            width = drawn.get("width", icons.get("width", 16))
            height = drawn.get("height", icons.get("height", 16))
            records.append(Record(key, icon, concept))
            svgs.append(document(drawn["body"], width, height))
    drawn_concepts = {record.concept for record in records}
    return records, svgs, {k: c for k, c in sorted(known.items()) if k in drawn_concepts}, licences


def split(
    records: list[Record],
    known: dict[str, names.Concept],
    seed: int,
    held_styles: int,
    held_synonyms: int,
) -> tuple[list[Record], dict[str, tuple[str, ...]]]:
    """Hold out one style of `held_styles` concepts (of those drawn in four or more) and
    `held_synonyms` keywords.
    """
    draw = random.Random(seed)
    by_concept: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        by_concept.setdefault(record.concept, []).append(i)
    many = sorted(k for k, rows in by_concept.items() if len(rows) >= 4)
    chosen = draw.sample(many, min(held_styles, len(many)))
    out = {draw.choice(by_concept[key]) for key in chosen}
    marked = [Record(r.set, r.icon, r.concept, i in out) for i, r in enumerate(records)]

    telling = names.specific(known)
    pairs = [
        (key, word) for key in sorted(telling) for word in telling[key] if len(telling[key]) >= 3
    ]
    taken: dict[str, tuple[str, ...]] = {}
    for key, word in draw.sample(pairs, len(pairs)):
        if sum(map(len, taken.values())) >= held_synonyms:
            break
        if (
            key not in taken
        ):  # at most one a concept, so that every concept keeps words to be trained with
            taken[key] = (word,)
    return marked, taken


def recipe_of(sets: dict[str, Package], seed: int, held_styles: int, held_synonyms: int) -> dict:
    """What a packed file was made from; equal recipes give equal bytes."""
    inputs = {key: package.integrity for key, package in {**sets, **WORDS}.items()}
    return {"format": FORMAT, "seed": seed, "held": [held_styles, held_synonyms], "inputs": inputs}


def is_packed(
    target: Path,
    *,
    sets: dict[str, Package] = SETS,
    seed: int = 0,
    held_styles: int = HELD_STYLES,
    held_synonyms: int = HELD_SYNONYMS,
) -> bool:
    """Whether `target` already holds exactly this; raises BadData where it is there but damaged."""
    recipe = recipe_of(sets, seed, held_styles, held_synonyms)
    return target.is_file() and _read(target, "meta.json")["recipe"] == recipe


def pack(
    archives: dict[str, Path],
    target: Path,
    *,
    sets: dict[str, Package] = SETS,
    seed: int = 0,
    held_styles: int = HELD_STYLES,
    held_synonyms: int = HELD_SYNONYMS,
) -> bool:
    """Write `target`; False, and nothing is touched, where it already holds these archives packed
    with this seed.
    """
    kind = {"sets": sets, "seed": seed, "held_styles": held_styles, "held_synonyms": held_synonyms}
    if is_packed(target, **kind):
        return False
    recipe = recipe_of(**kind)
    records, svgs, known, licences = gather(archives, sets)
    records, held = split(records, known, seed, held_styles, held_synonyms)
    meta = {
        "recipe": recipe,
        "licences": licences,
        "concepts": [asdict(concept) for concept in known.values()],
        "held_synonyms": held,
        "records": [asdict(record) for record in records],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in (("meta.json", meta), ("svgs.json", svgs)):
            info = zipfile.ZipInfo(name)  # a fixed date: the same inputs give the same bytes
            info.compress_type = zipfile.ZIP_LZMA
            archive.writestr(info, json.dumps(content, ensure_ascii=False))
    partial.replace(target)
    return True


def _read(path: Path, name: str) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read(name))
    except FileNotFoundError:
        raise BadData(f"{path} is missing; run `python -m studio train data` first.") from None
    except Exception as error:  # zipfile and lzma have half a dozen ways to say "not these bytes"
        raise BadData(
            f"{path} is damaged ({error}); delete it and run `train data` again."
        ) from error


def load(path: Path) -> IconData:
    """The packed set with its pixels, which are rendered the first time (about two minutes on two
    cores).
    """
    meta = _read(path, "meta.json")
    fingerprint = hashlib.sha256(json.dumps(meta["recipe"]).encode()).hexdigest()[:12]
    count = len(meta["records"])
    cache = path.with_name(f"pixels-{SIZE}-{fingerprint}.npy")
    if not cache.is_file():
        partial = cache.with_suffix(".partial")
        pixels = np.lib.format.open_memmap(partial, "w+", np.uint8, (count, SIZE, SIZE, 3))
        for row, picture in enumerate(render_all(_read(path, "svgs.json"))):
            pixels[row] = picture
        pixels.flush()
        partial.replace(cache)
    known = (names.Concept(**_tuples(entry)) for entry in meta["concepts"])
    return IconData(
        records=tuple(Record(**entry) for entry in meta["records"]),
        concepts={concept.slug: concept for concept in known},
        held_synonyms={key: tuple(held) for key, held in meta["held_synonyms"].items()},
        licences=meta["licences"],
        pixels=np.load(cache, mmap_mode="r"),
    )


def _tuples(entry: dict) -> dict:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
