"""What a visitor does on the page, for the browser tests."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

SEEN = """() => {
  window.seen = new Set();
  const canvas = document.querySelector("#pane_right");
  const note = () => { window.seen.add(canvas.toDataURL()); requestAnimationFrame(note); };
  note();
}"""


def generate(page, prompt: str = "red apple", **fields: object) -> None:
    """Fill the prompt and other fields by their elem_id, and click Generate."""
    page.fill("#prompt textarea", prompt)
    for name, value in fields.items():
        page.fill(f"#{name} input", str(value))
    page.click("#generate")


def until(page, state: str) -> str:
    """Wait for the stage's state; the id of the run it shows."""
    page.wait_for_selector(f".stage[data-state='{state}']")
    return page.get_attribute(".stage", "data-run")


def done(page) -> str:
    """Wait until the run is finished and its recorded frames are there."""
    return until(page, "finished")


def message(page) -> str:
    """The sentence in the fixed area, once there is one."""
    page.wait_for_selector("#message .message:not([hidden])")
    return page.inner_text("#message .message")


def fold_out(page, name: str) -> None:
    page.click(f"#{name} > button")


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
