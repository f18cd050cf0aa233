"""How long until there is a page, and how long until a picture begins to show, from nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_FIRST_PREVIEW = """
import sys
from pathlib import Path
from studio.contract import Failed, Request, Step
from studio.engine.engine import LocalEngine
from studio.settings import Settings

folder, model, steps = sys.argv[1:]
engine = LocalEngine(Settings(models=Path(folder))).start()
run = engine.submit(Request(model=model, prompt="red apple", steps=int(steps)))
for event in engine.events(run):
    if isinstance(event, Failed):
        sys.exit(event.message)
    if isinstance(event, Step) and event.x0:
        print("seen", flush=True)
        break
sys.stdin.readline()
"""


def import_gradio(_: int) -> None:
    """A Python that imports gradio and ends."""
    subprocess.run([sys.executable, "-c", "import gradio"], cwd=ROOT, env=_quiet(), check=True)


def port_bound(_: int) -> float:
    """Seconds from the start of `python app.py` until its port takes a connection."""
    port = free_port()
    start = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)],
        cwd=ROOT,
        env=_quiet(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while program.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return time.perf_counter() - start
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f"app.py ended with status {program.returncode} before it listened")
    finally:
        program.kill()
        program.wait()


def first_preview(models: Path, model: str, steps: int) -> float:
    """Seconds from the start of a process to its first preview: imports, weights, everything."""
    start = time.perf_counter()
    program = subprocess.Popen(
        [sys.executable, "-c", _FIRST_PREVIEW, str(models), model, str(steps)],
        cwd=ROOT,
        env=_quiet(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = program.stdout.readline()
        seconds = time.perf_counter() - start
    finally:
        program.kill()
        program.wait()
    if line.strip() != "seen":
        raise RuntimeError("a fresh process showed no preview")
    return seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _quiet() -> dict[str, str]:
    return os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
