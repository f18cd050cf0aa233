"""One frozen Settings, built once from arguments and environment and passed down."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import StudioError

DEVICES = r"auto|cpu|mps|cuda(:\d{1,3})?"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside.

    Each field is read from the environment variable `XT_<FIELD>` (upper case), and `app.py`
    takes `--field value` for each; arguments win. `queue_limit` is how many runs may wait or
    run at once; `record_bytes` is the memory that recordings of runs may take together;
    `threads` 0 leaves torch's own choice. `models` and `more_models` hold checkpoints, and what
    the hub gave lies in `hub_folder`, at most `hub_bytes` of it; `extras` holds networks that
    `python -m studio extras install` fetched. `dtype`, `attention` and
    `offload` "auto" are chosen by a probe of the device; see docs/checkpoints.md.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    models: Path = ROOT / "models"
    more_models: Path = ROOT / "data" / "models"
    device: str = "auto"
    dtype: str = "auto"
    attention: str = "auto"
    offload: str = "auto"
    quantise: str = "none"
    threads: int = 0
    queue_limit: int = 32
    batch_rows: int = 32
    record_bytes: int = 256 * 2**20
    cache_bytes: int = 4 * 2**30
    allow_hub: bool = False
    hub_folder: Path = ROOT / "data" / "hub"
    hub_bytes: int = 40 * 2**30
    extras: Path = ROOT / "data" / "extras"

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None, **arguments: object) -> Settings:
        """Settings from `XT_*` variables, then the arguments that are not None.

        On Hugging Face Spaces (SPACE_ID is set) the host is 0.0.0.0 unless given, and
        GRADIO_SERVER_NAME / GRADIO_SERVER_PORT are honoured anywhere. Raises StudioError.
        """
        env = os.environ if env is None else env
        given: dict[str, tuple[str, object]] = {}  # field: what it was called, its value
        if env.get("SPACE_ID"):
            given["host"] = ("SPACE_ID", "0.0.0.0")
        for name, variable in (("host", "GRADIO_SERVER_NAME"), ("port", "GRADIO_SERVER_PORT")):
            if env.get(variable):
                given[name] = (variable, env[variable])
        for name in Settings.__slots__:
            if env.get(f"XT_{name.upper()}"):
                given[name] = (f"XT_{name.upper()}", env[f"XT_{name.upper()}"])
            if arguments.get(name) is not None:
                given[name] = (f"--{name.replace('_', '-')}", arguments[name])
        values: dict[str, Any] = {name: _value(name, *pair) for name, pair in given.items()}
        return Settings(**values)


def _truth(called: str, value: object) -> bool:
    said = str(value).strip().lower()
    if said not in _YES + _NO:
        raise StudioError(f"{called} must be yes or no, not “{str(value)[:40]}”.")
    return said in _YES


def _value(name: str, called: str, value: object) -> str | int | Path:
    """The value in the field's own type and range."""
    default = getattr(Settings(), name)
    if isinstance(default, Path):
        return Path(str(value)).expanduser().resolve()
    if isinstance(default, bool):
        return _truth(called, value)
    if name in _WORDS and str(value) not in _WORDS[name]:
        *most, last = _WORDS[name]
        said = f"{', '.join(most)} or {last}"
        raise StudioError(f"{called} must be {said}, not “{str(value)[:40]}”.")
    if name == "device" and not re.fullmatch(DEVICES, str(value)):
        said = str(value)[:40]
        raise StudioError(f"{called} must be auto, cpu, cuda, cuda:1 … or mps, not “{said}”.")
    if isinstance(default, str):
        return str(value)
    low, high = _RANGES[name]
    try:
        number = int(str(value))
    except ValueError:
        raise StudioError(f"{called} must be a whole number, not {str(value)[:40]!r}.") from None
    if not low <= number <= high:
        raise StudioError(f"{called} must be between {low} and {high}, not {str(number)[:40]}.")
    return number


_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_WORDS = {
    "dtype": ("auto", "float32", "float16", "bfloat16"),
    "attention": ("auto", "flash", "efficient", "math"),
    "offload": ("auto", "none", "model", "sequential"),
    "quantise": ("none", "int8", "int4"),
}
_RANGES = {
    "port": (0, 65_535),
    "threads": (0, 1024),
    "queue_limit": (1, 10_000),
    "batch_rows": (1, 4096),
    "record_bytes": (0, 2**50),
    "cache_bytes": (0, 2**50),
    "hub_bytes": (0, 2**50),
}
