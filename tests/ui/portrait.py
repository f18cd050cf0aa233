"""The README's pictures, taken from the real app: `python -m tests.ui.portrait [--model ID]`.

A screenshot of a finished run, and an animation of the stage over its steps.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image

from tests.ui import acts
from tests.ui.conftest import FLAGS, free_port

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 600  # of the animation, pixels
EDGE = 14  # around the stage
VIEW = {"width": 1280, "height": 800}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", default="red apple")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--model", default="", help="the default checkpoint if left out")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    args = parser.parse_args()
    port = free_port()
    quiet = subprocess.DEVNULL
    program = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)], cwd=ROOT, stdout=quiet, stderr=quiet
    )
    try:
        _wait(f"http://127.0.0.1:{port}/")
        take(f"http://127.0.0.1:{port}/", args)
    finally:
        program.kill()
        program.wait()


def take(url: str, args: argparse.Namespace) -> None:
    """Generate once and write generate.png and run.gif."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("XT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        look = {"reduced_motion": "reduce", "color_scheme": "dark" if args.dark else "light"}
        page = browser.new_page(viewport=VIEW, device_scale_factor=1.25, **look)
        page.set_default_timeout(180_000)
        page.goto(url)
        page.wait_for_selector("#chips .chip")
        if args.model:
            page.check(f"#model input[value='{args.model}']")
            page.wait_for_timeout(3000)  # its suggestions come into the form
        acts.generate(page, args.prompt, seed=args.seed)
        acts.done(page)
        page.wait_for_timeout(1000)
        args.out.mkdir(parents=True, exist_ok=True)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        shot.save(args.out / "generate.png", optimize=True)
        frames = _frames(page)
        frames[0].save(
            args.out / "run.gif",
            save_all=True,
            append_images=frames[1:],
            duration=[160] * (len(frames) - 1) + [2000],  # ms; the picture stays a while
            loop=0,
            optimize=True,
        )
        browser.close()


def _frames(page) -> list[Image.Image]:
    """The stage at every step, then with the picture; a palette for each."""
    page.add_style_tag(content="* { outline: none !important; }")
    page.focus("#scrubber")
    page.keyboard.press("Home")
    page.wait_for_selector(".stage[data-position='0']")
    page.wait_for_timeout(4000)  # the recorded frames come in the place of the live ones
    box = page.locator(".stage").bounding_box()
    clip = {"x": box["x"] - EDGE, "y": box["y"] - EDGE}
    clip |= {"width": box["width"] + 2 * EDGE, "height": box["height"] + 2 * EDGE}
    frames = []
    while True:
        page.wait_for_timeout(150)
        frame = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
        height = round(frame.height * WIDTH / frame.width)
        frames.append(frame.resize((WIDTH, height), Image.Resampling.LANCZOS))
        before = page.get_attribute(".stage", "data-position")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
        if page.get_attribute(".stage", "data-position") == before:
            break
    return [frame.quantize(160, dither=Image.Dither.NONE) for frame in frames]


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("The app did not come up.")


if __name__ == "__main__":
    main()
