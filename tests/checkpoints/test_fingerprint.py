"""One number for a folder's weights."""

import hashlib

import pytest

from studio.checkpoints.fingerprint import weights_sha256
from studio.errors import BadCheckpoint


def test_it_is_the_hash_of_the_files_one_after_the_other_by_name(tmp_path):
    (tmp_path / "b.safetensors").write_bytes(b"second")
    (tmp_path / "a.safetensors").write_bytes(b"first ")
    (tmp_path / "config.json").write_text("{}")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"first second").hexdigest()
    (tmp_path / "config.json").write_text("[]")
    assert weights_sha256(tmp_path) == hashlib.sha256(b"first second").hexdigest()


def test_a_folder_without_weights_says_so(tmp_path):
    with pytest.raises(BadCheckpoint, match="no safetensors"):
        weights_sha256(tmp_path)
