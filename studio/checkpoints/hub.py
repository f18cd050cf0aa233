"""Checkpoints from the hub, where a setting allows it: announced, bounded, pinned, resumable.

huggingface_hub speaks to the hub; files land in a folder of the studio's own, each beside its
place until it is whole and its checksum is right, so that an interrupted fetch goes on where it
was. Only weights as safetensors, JSON, text and tokenizers' models are taken; no code.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import BadCheckpoint, BadRequest, NotFound, StudioError

log = logging.getLogger(__name__)
REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
NAME = re.compile(r"(?:[\w-][\w.+-]{0,150}/){0,3}[\w-][\w.+-]{0,150}")
TAKEN = (".safetensors", ".json", ".txt", ".model", "README.md")
LEFT = ("safety_checker/", "feature_extractor/", "image_encoder/", "onnx/", "openvino/", "flax/")
MOST_FILES = 200
SPARE = 2**30  # bytes of disk that are left free
WAIT = 20.0  # seconds for an answer about a repository

Tell = Callable[[str, int, int], None]  # a file, bytes done of all files, bytes in all


@dataclass(frozen=True, slots=True)
class File:
    """A file of a repository. `sha256` is empty where the hub says none."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Found:
    """A repository at one revision, which is a whole commit hash."""

    repo: str
    revision: str
    files: tuple[File, ...]
    licence: str
    gated: bool

    @property
    def bytes(self) -> int:
        """Of all files that are taken."""
        return sum(file.bytes for file in self.files)

    @property
    def id(self) -> str:
        """The id under which it is offered."""
        return f"{self.repo.replace('/', '--')[:80]}--{self.revision[:7]}"


class Hub:
    """One folder of fetched checkpoints, at most `most` bytes of them."""

    def __init__(self, folder: Path, most: int, endpoint: str | None = None) -> None:
        self.folder, self.most, self.endpoint = folder, most, endpoint

    def find(self, repo: str, revision: str = "") -> Found:
        """What a hub id stands for now. Raises StudioError with a sentence."""
        if not REPO.fullmatch(repo or "") or len(revision) > 100:
            raise BadRequest("A hub id reads owner/name.")
        from huggingface_hub import HfApi

        def ask() -> Any:
            return HfApi(endpoint=self.endpoint).model_info(
                repo, revision=revision or None, files_metadata=True, timeout=WAIT
            )

        info = in_words(repo, revision, ask)
        listed = [
            File(s.rfilename, s.size or 0, (s.lfs or {}).get("sha256", "") if s.lfs else "")
            for s in info.siblings or ()
        ]
        files = chosen(listed)
        if not any(file.name.endswith(".safetensors") for file in files):
            raise BadCheckpoint(
                f"{repo} has no safetensors weights, and this studio opens nothing else."
            )
        if len(files) > MOST_FILES or not re.fullmatch(r"[0-9a-f]{40}", info.sha or ""):
            raise BadCheckpoint(f"{repo} is not laid out as a checkpoint is.")
        said = getattr(info, "card_data", None)
        licence = str(getattr(said, "license", None) or "not stated")[:60]
        return Found(repo, info.sha, files, licence, bool(info.gated))

    def here(self, found: Found) -> int:
        """Bytes of it that are here already."""
        if (self.folder / found.id).is_dir():
            return found.bytes
        return sum(_size(part) for f in found.files for part in self._places(found, f))

    def free(self) -> int:
        """Bytes that may still be fetched: of the setting, and of the disk."""
        held = sum(_size(file) for file in self.folder.rglob("*")) if self.folder.is_dir() else 0
        place = next(p for p in (self.folder, *self.folder.parents) if p.is_dir())
        return max(0, min(self.most - held, shutil.disk_usage(place).free - SPARE))

    def fetch(self, found: Found, tell: Tell) -> Path:
        """Fetch what is lacking; its folder. `tell` may raise, and the next fetch goes on there."""
        place = self.folder / found.id
        if place.is_dir():
            return place
        lacking = found.bytes - self.here(found)
        if lacking > self.free():
            raise StudioError(
                f"{found.repo} needs {lacking:,} bytes more, and {self.free():,} may be filled; "
                "free some disk, or allow more with --hub-bytes."
            )
        done = 0
        for file in found.files:
            in_words(found.repo, "", lambda f=file, d=done: self._file(found, f, d, tell))
            done += file.bytes
        half = self._half(found)
        said = {"repo": found.repo, "revision": found.revision, "licence": found.licence}
        (half / "hub.json").write_text(json.dumps(said, indent=2))
        half.rename(place)
        return place

    def _half(self, found: Found) -> Path:
        return self.folder / f".{found.id}.part"

    def _places(self, found: Found, file: File) -> tuple[Path, Path]:
        """Where a file lies when it is whole, and until then."""
        whole = self._half(found) / file.name
        return whole, whole.with_name(f"{whole.name}.incomplete")

    def _file(self, found: Found, file: File, before: int, tell: Tell) -> None:
        """One file, from where it stopped the last time."""
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers

        whole, part = self._places(found, file)
        if _size(whole) == file.bytes and whole.is_file():
            return tell(file.name, before + file.bytes, found.bytes)
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as out:
            have = out.tell()
            if have > file.bytes:
                out.truncate(0)
                have = 0
            tell(file.name, before + have, found.bytes)
            url = hf_hub_url(
                found.repo, file.name, revision=found.revision, endpoint=self.endpoint
            )
            bar = _bar(lambda n: tell(file.name, before + n, found.bytes), have)
            if have < file.bytes or not file.bytes:
                http_get(
                    url, out, resume_size=have, headers=build_hf_headers(),
                    expected_size=file.bytes, tqdm_class=bar,
                )  # fmt: skip
        if file.sha256 and _sha256(part) != file.sha256:
            part.unlink()
            raise StudioError(f"{file.name} of {found.repo} came damaged; fetch it again.")
        part.rename(whole)


def chosen(listed: list[File]) -> tuple[File, ...]:
    """The files that are taken: of a diffusers layout the parts, else the weights beside the card.

    A variant ("model.fp16.safetensors") is taken only where there is no plain file.
    """
    names = {file.name for file in listed}
    laid_out = "model_index.json" in names
    out = []
    for file in listed:
        folder, _, name = file.name.rpartition("/")
        if not NAME.fullmatch(file.name) or not name.endswith(TAKEN) or file.name.startswith(LEFT):
            continue
        stem, _, rest = name.partition(".")
        variant = rest.count(".") and rest.endswith("safetensors")
        plain = f"{folder}/{stem}.safetensors".lstrip("/")
        if name.endswith(".safetensors") and variant and plain in names:
            continue
        if laid_out and not folder and name.endswith(".safetensors"):
            continue
        out.append(file)
    return tuple(sorted(out, key=lambda file: (file.bytes, file.name)))


def in_words(repo: str, revision: str, ask: Callable[[], Any]) -> Any:
    """What `ask` gives; what the hub, the network or the disk refuse is said in a sentence."""
    from huggingface_hub import errors

    try:
        return ask()
    except StudioError:
        raise
    except errors.OfflineModeIsEnabled:
        raise StudioError(UNREACHABLE) from None
    except errors.RevisionNotFoundError:
        raise NotFound(f"{repo} has no revision “{revision[:60]}”.") from None
    except errors.HfHubHTTPError as error:
        raise _refusal(repo, getattr(error.response, "status_code", 0), error) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StudioError(FULL) from None
        log.warning("the hub: %s", error)
        raise StudioError(UNREACHABLE) from None
    except Exception as error:  # of whichever library speaks HTTP
        log.warning("the hub: %s", error, exc_info=error)
        raise StudioError(UNREACHABLE) from None


def _refusal(repo: str, status: int, error: Exception) -> StudioError:
    from huggingface_hub import errors

    log.warning("the hub: %s", error)
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return StudioError(
            f"{repo} is given to those only who accepted its licence: do so on its page on the "
            "hub, start the studio with HF_TOKEN set, and try again."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return NotFound(
            f"There is no {repo} on the hub, or it is private; check the name, or set HF_TOKEN."
        )
    if status == 429:
        return StudioError("The hub asks for patience; try again in some minutes.")
    return StudioError(f"The hub answered with error {status}; try again later.")


def _bar(tell: Callable[[int], None], start: int) -> type:
    """What the library takes for a progress bar, so that it tells."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(disable=True)  # nothing is drawn on the terminal
            self.told = start

        def update(self, n: float | None = 1) -> None:
            self.told += int(n or 0)
            tell(self.told)

    return Bar


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


UNREACHABLE = (
    "The hub cannot be reached; check the network, or put the checkpoint's folder into the models "
    "folder by hand."
)
FULL = "The disk is full; free some space and go on: what was fetched is kept."
