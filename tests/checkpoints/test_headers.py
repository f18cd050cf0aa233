import json
import os
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
    "data that nothing names": raw(entry([2], [0, 8]), b"\0" * 12),
    "a hole in the data": raw(entry([2], [4, 12]), b"\0" * 12),
    "two tensors on the same bytes": raw(
        entry([2], [0, 8]) | {"v": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        b"\0" * 8,
    ),
    "a name twice": raw(
        b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b"\0" * 4,
    ),
    "metadata that is no text": raw(entry([1], [0, 4]) | {"__metadata__": {"a": 3}}, b"\0" * 4),
    "a name without end": raw({"w" * 1000: entry([1], [0, 4])["w"]}, b"\0" * 4),
    "more sides than any tensor": raw(entry([1] * 9, [0, 4]), b"\0" * 4),
    "offsets that do not fit the shape": raw(entry([3], [0, 8]), b"\0" * 8),
    "negative offsets": raw(entry([2], [-8, 0]), b"\0" * 8),
    "a negative side": raw(entry([-2], [0, 8]), b"\0" * 8),
    "a side that is a float": raw(entry([2.0], [0, 8]), b"\0" * 8),
    "a huge shape": raw(entry([2**40, 2**40], [0, 8]), b"\0" * 8),
    "an unknown dtype": raw(entry([2], [0, 8], "Q99"), b"\0" * 8),
}


def test_a_file_that_is_cut_short_says_how_much_is_missing(sound):
    data = sound.read_bytes()
    sound.write_bytes(data[:-10])
    with pytest.raises(BadCheckpoint, match=f"cut short: {len(data) - 10} of its {len(data)} by"):
        headers.read(sound)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(BadCheckpoint, match="is not a file"):
        headers.read(tmp_path / "model.safetensors")


@pytest.mark.parametrize("case", HOSTILE)
def test_a_damaged_header_is_refused_in_words(tmp_path, case):
    file = tmp_path / "model.safetensors"
    file.write_bytes(HOSTILE[case])
    with pytest.raises(BadCheckpoint, match="not a sound safetensors file"):
        headers.read(file)


def test_weights_are_all_shards_that_the_index_names(sound):
    save_file({"c": torch.zeros(5)}, sound.parent / "more.safetensors")
    index = {
        "weight_map": {"a": "model.safetensors", "b": "model.safetensors", "c": "more.safetensors"}
    }
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


def test_a_half_written_download_is_said_to_be_one(tmp_path):
    (tmp_path / "model.safetensors.incomplete").write_bytes(b"\0" * 100)
    with pytest.raises(BadCheckpoint, match="half written; finish its download"):
        headers.weights(tmp_path)


def test_a_shard_that_is_half_written_is_said_to_be(sound):
    index = {"weight_map": {"a": "model.safetensors", "c": "more.safetensors"}}
    (sound.parent / "model.safetensors.index.json").write_text(json.dumps(index))
    (sound.parent / "more.safetensors.part").write_bytes(b"")
    with pytest.raises(BadCheckpoint, match=r"more\.safetensors is half written"):
        headers.weights(sound.parent)


def test_an_index_that_places_a_tensor_in_another_shard_is_refused(sound):
    save_file({"c": torch.zeros(5)}, sound.parent / "more.safetensors")
    placed = {"a": "more.safetensors", "b": "model.safetensors", "c": "more.safetensors"}
    (sound.parent / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    with pytest.raises(BadCheckpoint, match="shard index"):
        headers.weights(sound.parent)


def test_the_file_without_a_variant_in_its_name_is_read(sound):
    save_file({"a": torch.zeros(99)}, sound.parent / "model.fp16.safetensors")
    assert sum(h.parameters for h in headers.weights(sound.parent)) == 10
