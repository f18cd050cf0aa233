"""What a visitor does on the page, for the browser tests."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

SEEN = """() => {
  window.seen = new Set();
  const small = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
  const pen = small.getContext("2d", { willReadFrequently: true });
  const note = () => {
    pen.drawImage(document.querySelector("#pane_right"), 0, 0, 32, 32);
    window.seen.add(pen.getImageData(0, 0, 32, 32).data.join());
  };
  setInterval(note, 50);
}"""


ANOTHER = """() => {
  const url = document.querySelector("#pane_left").toDataURL();
  return !window.walked.has(url) && Boolean(window.walked.add(url));
}"""
FORM = """() => Object.fromEntries(
  ["#prompt textarea", "#seed input", "#steps input", "#count input", "#scale input"].map(
    (field) => [field, document.querySelector(field).value]))"""


def filled(page) -> dict[str, str]:
    """What the form says: its prompt and its numbers, by selector."""
    return page.evaluate(FORM)


def tidied(page) -> None:
    """End the run that goes on, and say what the form said when the tab was opened."""
    if page.is_enabled("#stop"):
        page.click("#stop")
        page.wait_for_selector("#stop[disabled]")
    now = filled(page)
    for field, value in page.found.items():
        if now[field] != value:
            page.fill(field, value)


def generate(page, prompt: str = "red apple", **fields: object) -> None:
    """Fill the prompt and other fields by their elem_id, and click Generate."""
    page.fill("#prompt textarea", prompt)
    for name, value in fields.items():
        page.fill(f"#{name} input", str(value))
    begin(page, lambda: page.click("#generate"))


def begin(page, act) -> None:
    """Do what begins a run; `until` waits for this one, not for what the stage shows yet."""
    page.former = page.get_attribute(".stage", "data-run")
    act()


def until(page, state: str) -> str:
    """Wait for the stage's state, of the run that was begun last; the id of that run."""
    former = getattr(page, "former", "")
    page.wait_for_selector(f".stage[data-state='{state}']:not([data-run='{former}'])")
    return page.get_attribute(".stage", "data-run")


def done(page) -> str:
    """Wait until the run is finished and its recorded frames are there."""
    return until(page, "finished")


def walk_through(page, steps: int) -> None:
    """From a finished run's first step to its picture by the arrow key: no step looks like another.

    Waits at each step until a picture is there that none before it showed.
    """
    page.evaluate("window.walked = new Set([document.querySelector('#pane_left').toDataURL()])")
    page.focus("#scrubber")
    page.keyboard.press("Home")
    for step in range(steps):
        page.wait_for_selector(f".stage[data-position='{step}']")
        page.wait_for_function(ANOTHER)
        if step == 0:  # what stood beside the picture comes again as the last step
            page.evaluate("window.walked.delete([...window.walked][0])")
        page.keyboard.press("ArrowRight")
    page.wait_for_selector(f".stage[data-position='{steps}']")


def message(page) -> str:
    """The sentence in the fixed area, once there is one."""
    page.wait_for_selector("#message .message:not([hidden])")
    return page.inner_text("#message .message")


def fold_out(page, name: str) -> None:
    page.click(f"#{name} > button")


def eventually(said, seconds: float = 60.0) -> bool:
    """Whether something outside the page becomes so before the time is over."""
    deadline = time.monotonic() + seconds
    while not said() and time.monotonic() < deadline:
        time.sleep(0.05)
    return said()


def holds(page, field: str, value: str) -> None:
    """Wait until a field's value is this."""
    page.wait_for_function(
        "([field, value]) => document.querySelector(field).value === value", arg=[field, value]
    )


def drop(page, path: Path) -> None:
    """Give a file to the restore field."""
    if not page.query_selector("#restore input[type=file]"):
        fold_out(page, "restore_more")
    page.wait_for_selector("#restore input[type=file]", state="attached")
    page.set_input_files("#restore input[type=file]", str(path))


def bomb(path: Path) -> Path:
    """A PNG of about 20 KB that says it is 13,000 × 13,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    side = 13_000
    rows = zlib.compress(b"\x00" * (side * (1 + side // 8)), 9)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path
