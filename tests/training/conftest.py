"""A tiny world to train in: npm archives with a few drawn icons, and a tiny teacher."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from studio.training import dataset, sources

THINGS = {
    "red-apple": ("🍎", "red apple", "#d22", ["fruit", "ripe", "orchard", "cider"]),
    "blue-heart": ("💙", "blue heart", "#22d", ["azure", "fondness", "sapphire", "loyal"]),
    "rocket": ("🚀", "rocket", "#888", ["launch", "shuttle", "orbit", "nasa"]),
    "pizza": ("🍕", "pizza", "#db4", ["slice", "pepperoni", "oven", "italy"]),
    "cat-face": ("🐱", "cat face", "#fb3", ["kitty", "kitten", "meow", "whiskers"]),
    "star": ("⭐", "star", "#fd0", ["twinkle", "night", "rating", "bright"]),
}
VARIANTS = ["cat-face-dark-skin-tone", "flag-france", "keycap-3", "man-artist"]
FOODS = {"red-apple", "pizza"}


def archive(path: Path, files: dict[str, object]) -> Path:
    """An npm archive: everything lies under `package/`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return path


def pinned(path: Path) -> str:
    """A file's checksum as npm writes it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def icon_set(folder: Path, key: str, style: str, names: list[str], shape: str) -> sources.Package:
    """Write one icon set's archive and return its package, checksum and all."""
    draft = sources.Package(f"@iconify-json/{key}", "1.0.0", "", "MIT", style)
    colours = {slug: colour for slug, (_, _, colour, _) in THINGS.items()}
    icons = {n: {"body": shape.format(fill=colours.get(n, "#0a0"))} for n in names}
    where = archive(
        folder / draft.archive,
        {
            "icons.json": {"prefix": key, "icons": icons, "width": 16, "height": 16},
            "info.json": {
                "name": key.title(),
                "author": {"name": "A Painter", "url": "https://example.org"},
                "license": {"title": "MIT", "spdx": "MIT", "url": "https://example.org/mit"},
            },
        },
    )
    return sources.Package(draft.name, draft.version, pinned(where), "MIT", style)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> dict:
    """{"archives", "sets", "folder"}: what `dataset.pack` takes, made without a network."""
    folder = tmp_path_factory.mktemp("archives")
    names = [*THINGS, *VARIANTS]
    sets = {
        "noto": icon_set(
            folder, "noto", "noto", names, '<circle cx="8" cy="8" r="7" fill="{fill}"/>'
        ),
        "twemoji": icon_set(
            folder,
            "twemoji",
            "twemoji",
            names,
            '<rect x="2" y="2" width="12" height="12" fill="{fill}"/>',
        ),
        "fxemoji": icon_set(
            folder, "fxemoji", "fox", list(THINGS), '<path d="M8 1l7 14H1z" fill="{fill}"/>'
        ),
        "emojione": icon_set(
            folder,
            "emojione",
            "emojione",
            list(THINGS),
            '<ellipse cx="8" cy="8" rx="7" ry="4" fill="{fill}"/>',
        ),
    }
    data = [
        {
            "label": label,
            "emoji": emoji,
            "hexcode": f"{ord(emoji[0]):X}",
            "tags": words,
            "order": i,
            "group": 4 if slug in FOODS else 3,
            "subgroup": 0,
        }
        for i, (slug, (emoji, label, _, words)) in enumerate(THINGS.items())
    ]
    data.append(
        {
            "label": "man artist",
            "emoji": "👨‍🎨",
            "hexcode": "1F468",
            "tags": [],
            "order": 99,
            "group": 1,
            "subgroup": 0,
            "gender": 1,
        }
    )
    groups = {
        "groups": [
            {"key": "animals-nature", "order": 3},
            {"key": "food-drink", "order": 4},
            {"key": "people-body", "order": 1},
        ],
        "subgroups": [{"key": "things", "order": 0}],
    }
    archives = {key: folder / package.archive for key, package in sets.items()}
    archives["emojibase"] = archive(
        folder / "emojibase-data.tgz",
        {
            "en/data.json": data,
            "en/messages.json": groups,
            "en/shortcodes/emojibase.json": {},
            "LICENSE": b"MIT",
        },
    )
    archives["emojilib"] = archive(
        folder / "emojilib.tgz",
        {"dist/emoji-en-US.json": {"🍎": ["red_apple", "snack"]}, "LICENSE": b"MIT"},
    )
    return {"archives": archives, "sets": sets, "folder": folder}


@pytest.fixture(scope="session")
def packed(world, tmp_path_factory) -> Path:
    """The tiny world packed into one file, its pixels rendered."""
    target = tmp_path_factory.mktemp("data") / "icons.zip"
    dataset.pack(world["archives"], target, sets=world["sets"], held_styles=2, held_synonyms=3)
    dataset.load(target)
    return target


@pytest.fixture(scope="session")
def icons(packed) -> dataset.IconData:
    return dataset.load(packed)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory) -> Path:
    """A folder with a random two-layer BERT and a vocabulary of letters and a few words."""
    folder = tmp_path_factory.mktemp("teacher")
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = ["red", "apple", "blue", "heart", "rocket", "pizza", "cat", "face", "star", "kitty"]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{c}" for c in letters),
        *words,
    ]
    BertTokenizer(vocab={p: i for i, p in enumerate(pieces)}).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(pieces),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    return folder
