"""A corpus of hostile checkpoints: `python tests/hostile/make.py DIR` writes one thing a case.

Each is a file or a folder as a stranger could hand it over. Nothing in here does harm by itself;
the pickles would print a line if anybody opened them.
"""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.engine.tiny import exact_folder, sd_folder

UNET = "unet/diffusion_pytorch_model.safetensors"


def raw(header: object, data: bytes = b"") -> bytes:
    """The bytes of a safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(shape: list, offsets: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


class Prints:
    """What a pickle runs when it is opened."""

    def __reduce__(self) -> tuple:
        return print, ("a pickle was opened",)


ONE = {"w": tensor([2], [0, 8])}
FILES: dict[str, bytes | Callable[[], bytes]] = {  # a single file each
    "nothing-at-all": b"",
    "three-bytes": b"\x01\x02\x03",
    "length-beyond-the-file": struct.pack("<Q", 2**40) + b"{}",
    "length-of-all-ones": b"\xff" * 8 + b"{}",
    "no-json": raw(b"not json"),
    "a-list": raw([1, 2]),
    "nested-100000-deep": raw(b"[" * 100_000),
    "header-of-five-megabytes": lambda: raw(b"{" + b" " * 5_000_000 + b"}"),
    "tensors-on-the-same-bytes": raw(ONE | {"v": tensor([2], [0, 8])}, b"\0" * 8),
    "a-hole": raw({"w": tensor([2], [4, 12])}, b"\0" * 12),
    "data-that-nothing-names": raw(ONE, b"\0" * 100),
    "cut-short": raw({"w": tensor([1000], [0, 4000])}, b"\0" * 40),
    "negative-offsets": raw({"w": tensor([2], [-8, 0])}, b"\0" * 8),
    "a-side-of-2-to-the-62": raw({"w": tensor([2**62, 2**62], [0, 8])}, b"\0" * 8),
    "a-side-that-is-a-float": raw({"w": tensor([2.0], [0, 8])}, b"\0" * 8),
    "unknown-dtype": raw({"w": tensor([2], [0, 8], "Q99")}, b"\0" * 8),
    "a-name-twice": raw(b'{"w":' + json.dumps(ONE["w"]).encode() + b',"w":0}', b"\0" * 8),
    "metadata-that-is-a-program": raw(ONE | {"__metadata__": {"run": ["rm"]}}, b"\0" * 8),
    "thirty-thousand-tensors": lambda: raw({f"w{k}": tensor([0], [0, 0]) for k in range(30_000)}),
    "a-picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "a-gzip-bomb": lambda: gzip.compress(b"\0" * 10_000_000),
    "sound-but-of-no-family": raw(ONE, b"\0" * 8),
}
PICKLES = {"old-style": ".ckpt", "torch-style": ".pt", "hub-style": ".bin", "plain": ".pkl"}


def edit(folder: Path, file: str, **fields: object) -> None:
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def config(part: str, **fields: object) -> Callable[[Path], None]:
    return lambda folder: edit(folder, f"{part}/config.json", **fields)


def index(**fields: object) -> Callable[[Path], None]:
    return lambda folder: edit(folder, "model_index.json", **fields)


def text(file: str, content: str | bytes) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / file).write_bytes(data) and None


def sparse(file: str, size: int) -> Callable[[Path], None]:
    """A file that claims a size and takes none."""

    def make(folder: Path) -> None:
        with (folder / file).open("wb") as stream:
            stream.truncate(size)

    return make


def tensors(change: Callable[[dict], object], part: str = "unet") -> Callable[[Path], None]:
    """Weights with something done to them."""

    def make(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        file = next((folder / part).glob("*.safetensors"))
        held = load_file(file)
        change(held)
        save_file(held, file, {"format": "pt"})

    return make


def value(number: float) -> Callable[[dict], None]:
    def change(held: dict) -> None:
        held["conv_in.weight"].view(-1)[5] = number

    return change


def stored_as(dtype: str) -> Callable[[dict], None]:
    def change(held: dict) -> None:
        import torch

        held["conv_in.weight"] = held["conv_in.weight"].to(getattr(torch, dtype))

    return change


def moved(name: str, source: str = UNET) -> Callable[[Path], None]:
    return lambda folder: (folder / source).rename((folder / source).with_name(name)) and None


def shards(placed: str, written: bytes | None = None) -> Callable[[Path], None]:
    """An index that sends one tensor to `placed`."""

    def make(folder: Path) -> None:
        place = folder / "unet" / f"{Path(UNET).name}.index.json"
        place.write_text(json.dumps({"weight_map": {"conv_in.weight": placed}}))
        if written is not None:
            (folder / "unet" / placed).write_bytes(written)

    return make


def link(file: str, to: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = folder / file
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        os.symlink(to, path)

    return make


def swapped(file: str) -> Callable[[Path], None]:
    """A folder where a file was."""

    def make(folder: Path) -> None:
        (folder / file).unlink()
        (folder / file).mkdir()

    return make


def pipe(folder: Path) -> None:
    (folder / UNET).unlink()
    os.mkfifo(folder / UNET)


FOLDERS: dict[str, Callable[[Path], object]] = {  # a checkpoint in diffusers layout, spoilt
    "index-that-is-no-json": text("model_index.json", "{"),
    "index-that-is-a-list": text("model_index.json", "[]"),
    "index-nested-without-end": text("model_index.json", "[" * 100_000),
    "index-of-a-gigabyte": sparse("model_index.json", 2**30),
    "index-in-utf-16": text("model_index.json", "{}".encode("utf-16")),
    "a-class-that-runs-commands": index(unet=["os", "system"]),
    "a-class-of-another-library": index(unet=["subprocess", "UNet2DConditionModel"]),
    "remote-code": index(unet=["my_network", "MyUNet"]),
    "a-pipeline-of-its-own": index(_class_name="../../evil.py"),
    "a-scheduler-that-evaluates": index(scheduler=["builtins", "eval"]),
    "a-class-that-is-a-list": index(vae=["diffusers", ["AutoencoderKL"]]),
    "a-billion-layers": config("unet", layers_per_block=10**9),
    "layers-without-end-in-a-list": config("unet", layers_per_block=[1] * 1000),
    "a-billion-channels": config("unet", block_out_channels=[10**9, 10**9]),
    "a-million-blocks": config("unet", down_block_types=["DownBlock2D"] * 100_000),
    "blocks-of-an-unknown-kind": config("unet", down_block_types=["Exec", "Exec"]),
    "sides-of-a-billion": config("unet", sample_size=10**9),
    "minus-one-channel": config("unet", in_channels=-1),
    "channels-that-are-words": config("unet", block_out_channels="many"),
    "no-groups": config("unet", norm_num_groups=0),
    "other-widths-than-the-file": config("unet", block_out_channels=[16, 48]),
    "a-million-layers-of-text": config("text_encoder", num_hidden_layers=10**6),
    "text-of-another-width": config("text_encoder", hidden_size=999),
    "a-vocabulary-of-a-billion": config("text_encoder", vocab_size=10**9),
    "a-scale-that-is-not-a-number": config("vae", scaling_factor=float("nan")),
    "times-without-end": lambda f: edit(f, "scheduler/scheduler_config.json",
                                        num_train_timesteps=10**12),
    "betas-that-are-words": lambda f: edit(f, "scheduler/scheduler_config.json",
                                           trained_betas=["a"]),
    "a-prediction-of-nothing": lambda f: edit(f, "scheduler/scheduler_config.json",
                                              prediction_type="__import__('os')"),
    "a-configuration-that-is-a-folder": swapped("unet/config.json"),
    "no-configuration": lambda f: (f / "unet/config.json").unlink(),
    "no-weights": lambda f: (f / UNET).unlink(),
    "pickled-weights": moved("diffusion_pytorch_model.bin"),
    "half-written-weights": moved(f"{Path(UNET).name}.incomplete"),
    "weights-cut-short": lambda f: os.truncate(f / UNET, 50_000),
    "weights-of-another-file": lambda f: shutil.copy(
        next((f / "vae").glob("*.safetensors")), f / UNET),
    "weights-with-nan": tensors(value(float("nan"))),
    "weights-with-infinity": tensors(value(float("inf"))),
    "weights-in-whole-numbers": tensors(stored_as("int32")),
    "weights-in-eight-bits": tensors(stored_as("float8_e4m3fn")),
    "a-tensor-too-few": tensors(lambda held: held.pop("conv_in.weight")),
    "text-with-nan": tensors(
        lambda held: held["embeddings.word_embeddings.weight"].fill_(float("nan")),
        "text_encoder"),
    "a-shard-out-of-the-folder": shards("../../../etc/passwd"),
    "a-shard-at-a-place-of-its-own": shards("/etc/passwd"),
    "a-shard-that-is-missing": shards("model-00002-of-00002.safetensors"),
    "a-shard-that-is-empty": shards("part.safetensors", b""),
    "a-shard-that-is-half-written": lambda f: (
        shards("part.safetensors")(f), (f / "unet/part.safetensors.part").write_bytes(b"")),
    "an-index-of-shards-that-is-none": text(f"{UNET}.index.json", '{"weight_map": [1]}'),
    "a-pipe-for-weights": pipe,
    "a-link-to-the-passwords": link(UNET, "/etc/passwd"),
    "a-link-to-the-root": link("vae", "/"),
    "a-link-to-itself": link("unet/config.json", "config.json"),
    "no-words": lambda f: (f / "tokenizer/tokenizer.json").unlink(),
    "words-that-are-no-json": text("tokenizer/tokenizer.json", b"\xff\xfe\x00"),
    "words-of-four-gigabytes": sparse("tokenizer/tokenizer.json", 2**32),
    "a-card-of-four-gigabytes": sparse("README.md", 2**32),
    "concepts-without-end": text("concepts.json", "[" * 100_000),
}  # fmt: skip


def bomb(folder: Path) -> None:
    """A PNG of a few kilobytes that claims 30000 × 30000 pixels."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 10_000_000)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (folder / "pictures-0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)


EXACT: dict[str, Callable[[Path], object]] = {  # a set of pictures, spoilt
    "a-sheet-out-of-the-folder": lambda f: edit(f, "exact.json", sheets=["../../x.png"]),
    "a-sheet-that-is-a-bomb": bomb,
    "more-captions-than-pictures": lambda f: edit(
        f, "exact.json", pictures=[{"caption": "red"}] * 4000),
    "a-schedule-of-nonsense": lambda f: edit(f, "exact.json", scheduler={"beta_schedule": "x"}),
    "a-size-of-a-billion": lambda f: edit(f, "exact.json", size=10**9),
}  # fmt: skip


def make(root: Path) -> list[Path]:
    """Write the corpus below `root`; every case is one path in it."""
    root.mkdir(parents=True, exist_ok=True)
    whole, exact = root / "whole", root / "whole-exact"
    sd_folder(whole)
    exact_folder(exact)
    out = []
    for name, data in FILES.items():
        path = root / f"{name}.safetensors"
        path.write_bytes(data() if callable(data) else data)
        out.append(path)
    for name, ending in PICKLES.items():
        path = root / f"{name}{ending}"
        path.write_bytes(pickle.dumps(Prints()))
        out.append(path)
    for cases, base in ((FOLDERS, whole), (EXACT, exact)):
        for name, spoil in cases.items():
            folder = root / name
            shutil.copytree(base, folder)
            spoil(folder)
            out.append(folder)
    zipped = root / "a-zip.safetensors"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Prints()))
    os.symlink("/", root / "a-link-to-everything")
    os.symlink("/etc/passwd", root / "a-link-to-a-file.safetensors")
    out += [zipped, root / "a-link-to-everything", root / "a-link-to-a-file.safetensors"]
    shutil.rmtree(whole)
    shutil.rmtree(exact)
    return out


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/hostile/make.py DIR")
    print(f"{len(make(Path(sys.argv[1])))} cases in {sys.argv[1]}")
