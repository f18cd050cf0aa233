"""One frozen Settings, built once from arguments and environment and passed down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set from outside.

    Each field is read from the environment variable `XT_<FIELD>` (upper case), and `app.py`
    takes `--field value` for each; arguments win. `queue_limit` is how many runs may wait or
    run at once; `record_bytes` is the memory that recordings of runs may take together;
    `threads` 0 leaves torch's own choice.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    models: Path = ROOT / "models"
    outputs: Path = ROOT / "outputs"
    device: str = "auto"
    threads: int = 0
    queue_limit: int = 32
    batch_rows: int = 32
    record_bytes: int = 256 * 2**20
    cache_bytes: int = 4 * 2**30

    @staticmethod
    def from_env(env: Mapping[str, str] | None = None, **arguments: object) -> Settings:
        """Settings from `XT_*` variables, then the arguments that are not None.

        On Hugging Face Spaces (SPACE_ID is set) the host is 0.0.0.0 unless given, and
        GRADIO_SERVER_NAME / GRADIO_SERVER_PORT are honoured anywhere.
        """
        env = os.environ if env is None else env
        values: dict[str, object] = {}
        if env.get("SPACE_ID"):
            values["host"] = "0.0.0.0"
        if env.get("GRADIO_SERVER_NAME"):
            values["host"] = env["GRADIO_SERVER_NAME"]
        if env.get("GRADIO_SERVER_PORT"):
            values["port"] = int(env["GRADIO_SERVER_PORT"])
        defaults = Settings()
        for name in Settings.__slots__:
            given = arguments.get(name)
            if given is None:
                given = env.get(f"XT_{name.upper()}")
            if given is not None:
                values[name] = type(getattr(defaults, name))(given)
        if "models" in values:
            values["models"] = Path(values["models"]).expanduser().resolve()
        if "outputs" in values:
            values["outputs"] = Path(values["outputs"]).expanduser().resolve()
        return Settings(**values)
