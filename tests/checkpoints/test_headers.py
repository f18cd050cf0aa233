import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from studio.checkpoints import headers
from studio.errors import BadCheckpoint


@pytest.fixture
def sound(tmp_path):
    file = tmp_path / "part" / "model.safetensors"
    file.parent.mkdir()
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.float16)}, file)
    return file


def raw(header: dict | bytes, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape, offsets, dtype="F32"):
    return {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def test_a_header_tells_shapes_dtypes_and_sizes(sound):
    header = headers.read(sound)
    assert header.shapes == {"a": (2, 3), "b": (4,)}
    assert header.dtypes == {"a": "F32", "b": "F16"}
    assert header.parameters == 10 and header.bytes == sound.stat().st_size


HOSTILE = {
    "empty": b"",
    "short": b"\x01\x02",
    "length beyond the file": struct.pack("<Q", 2**40) + b"{}",
    "length of all ones": b"\xff" * 8 + b"{}",
    "no JSON": raw(b"not json at all"),
    "a list": raw(b"[1, 2]"),
    "deep nesting": raw(b"[" * 100_000),
    "an entry that is a number": raw({"w": 3}),
    "no offsets": raw({"w": {"dtype": "F32", "shape": [1]}}),
    "offsets beyond the data": raw(entry([2], [0, 8]), b"\0" * 4),
    "offsets that do not fit the shape": raw(entry([3], [0, 8]), b"\0" * 8),
    "negative offsets": raw(entry([2], [-8, 0]), b"\0" * 8),
    "a negative side": raw(entry([-2], [0, 8]), b"\0" * 8),
    "a side that is a float": raw(entry([2.0], [0, 8]), b"\0" * 8),
    "a huge shape": raw(entry([2**40, 2**40], [0, 8]), b"\0" * 8),
    "an unknown dtype": raw(entry([2], [0, 8], "Q99"), b"\0" * 8),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_header_is_refused_in_words(tmp_path, case):
    file = tmp_path / "model.safetensors"
    file.write_bytes(HOSTILE[case])
    with pytest.raises(BadCheckpoint, match="not a sound safetensors file"):
        headers.read(file)


def test_weights_are_all_shards_that_the_index_names(sound):
    save_file({"c": torch.zeros(5)}, sound.parent / "more.safetensors")
    index = {"weight_map": {"a": "model.safetensors", "c": "more.safetensors"}}
    (sound.parent / "model.safetensors.index.json").write_text(json.dumps(index))
    assert sum(h.parameters for h in headers.weights(sound.parent)) == 15


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "missing.safetensors"])
def test_an_index_cannot_lead_out_of_its_folder(sound, name):
    index = sound.parent / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(BadCheckpoint, match="not in its folder"):
        headers.weights(sound.parent)


@pytest.mark.parametrize("text", ["[]", "{}", '{"weight_map": {"a": 3}}', "nonsense"])
def test_a_damaged_index_is_refused(sound, text):
    (sound.parent / "model.safetensors.index.json").write_text(text)
    with pytest.raises(BadCheckpoint, match="shard index"):
        headers.weights(sound.parent)


def test_pickled_weights_are_refused_in_words(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(BadCheckpoint, match="pickled"):
        headers.weights(tmp_path)
