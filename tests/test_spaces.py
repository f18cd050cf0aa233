"""The program as Hugging Face Spaces starts it: the README's front matter, and app.py alone."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WAIT = 120  # seconds until the page must be there, on a slow machine


def front_matter() -> dict[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head = re.match(r"---\n(.*?)\n---\n", text, re.S).group(1)
    return {k: v.strip().strip("'\"") for k, v in (line.split(":", 1) for line in head.split("\n"))}


def test_the_front_matter_names_what_spaces_needs():
    front = front_matter()
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    assert tuple(map(int, front["sdk_version"].split(".")[:2])) >= (6, 25)
    assert tuple(map(int, front["python_version"].split("."))) >= (3, 11)
    assert front["license"] == "apache-2.0"


def test_the_front_matter_names_the_locked_gradio():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert f"gradio=={front_matter()['sdk_version']} " in lock


@pytest.fixture
def space(tmp_path):
    """`python app.py` under the environment of a Space; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XT_", "GRADIO_"))} | {
        "SYSTEM": "spaces",
        "SPACE_ID": "somebody/xt-studio",
        "SPACE_AUTHOR_NAME": "somebody",
        "SPACE_REPO_NAME": "xt-studio",
        "SPACE_HOST": "somebody-xt-studio.hf.space",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
    }
    log = tmp_path / "app.log"
    with log.open("wb") as out:
        program = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            assert program.poll() is None, log.read_text(errors="replace")
            try:
                urllib.request.urlopen(f"{address}/gradio_api/info", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        else:
            pytest.fail(f"no page after {WAIT} s\n{log.read_text(errors='replace')}")
        yield address
    finally:
        program.kill()
        program.wait()


def test_a_space_serves_the_page(space):
    with urllib.request.urlopen(space, timeout=30) as answer:
        page = answer.read().decode()
    assert answer.status == 200
    assert "x_t Studio" in page


def test_importing_the_program_gives_the_page_and_starts_nothing():
    code = (
        "import threading, gradio, app\n"
        "assert isinstance(app.demo, gradio.Blocks)\n"
        "assert 'device' not in {t.name for t in threading.enumerate()}\n"
        "print('ready')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip().endswith("ready"), done.stderr


def ending(*options) -> str:
    """What `python app.py` says as it gives up."""
    words = [sys.executable, "app.py", *map(str, options)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=WAIT)
    assert done.returncode not in (0, None) and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_a_wrong_setting_ends_the_program_with_a_sentence():
    assert "--port must be a whole number, not 'http'." in ending("--port", "http")


def test_a_folder_without_checkpoints_ends_the_program_with_a_sentence(tmp_path):
    assert "There is no checkpoint in the models folder; put one" in ending("--models", tmp_path)


def test_a_port_that_is_taken_ends_the_program_with_a_sentence():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"Port {port} is taken" in ending("--port", port)
