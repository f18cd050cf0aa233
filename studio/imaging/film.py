"""A recorded run as an animated GIF or an MP4 that browsers play."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from studio.imaging.encode import enlarge_lanczos, enlarge_nearest

SECONDS = 2.5  # the moving part
HOLD = 1.2  # seconds on the last frame
RATE = 30  # frames a second in an MP4
MOST = 75  # frames worth showing in that time
H264 = {"crf": "18", "preset": "veryfast"}
SIDE = 384  # small pictures are enlarged by the largest whole factor that stays within this


def factor(height: int, width: int, side: int = SIDE) -> int:
    """By how much a picture is enlarged, a whole number of at least 1."""
    return max(1, side // max(height, width))


def enlarged(rgb: np.ndarray, what: str) -> np.ndarray:
    """A frame at a film's size: "x0" is a picture (Lanczos), states and noise become squares."""
    by = factor(*rgb.shape[:2])
    return enlarge_lanczos(rgb, by) if what == "x0" else enlarge_nearest(rgb, by)


def gif(frames: Sequence[np.ndarray]) -> bytes:
    """(H, W, 3) uint8 frames → a GIF that loops; the last frame is held.

    The frames share one palette, taken from the last of them, where the picture is; noise is
    dithered into it.
    """
    pictures = [Image.fromarray(frame) for frame in frames]
    palette = _palette(pictures)
    pictures = [picture.quantize(palette=palette) for picture in pictures]
    out = io.BytesIO()
    pictures[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[10 * max(2, ticks) for ticks in _ticks(len(frames), 100)],
        loop=0,
        disposal=1,
        optimize=False,
    )
    return out.getvalue()


def mp4(frames: Sequence[np.ndarray]) -> bytes:
    """(H, W, 3) uint8 frames → H.264 in an MP4 with the index in front, yuv420p.

    Sides are cut to even numbers, as the format asks. The last frame is held.
    """
    import av  # only when a film is asked for: it loads a dozen shared libraries

    height, width = (side - side % 2 for side in frames[0].shape[:2])
    repeats = _ticks(len(frames), RATE)
    with tempfile.TemporaryDirectory() as folder:  # moving the index to the front needs a file
        file = Path(folder) / "run.mp4"
        with av.open(str(file), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=RATE, options=H264)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for frame, repeat in zip(frames, repeats, strict=True):
                cut = np.ascontiguousarray(frame[:height, :width])
                picture = av.VideoFrame.from_ndarray(cut, format="rgb24")
                for _ in range(max(1, repeat)):
                    picture.pts = None
                    container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return file.read_bytes()


FILMS = {"gif": gif, "mp4": mp4}


def _ticks(count: int, rate: int) -> list[int]:
    """How many 1/rate seconds each frame is shown: SECONDS among all but the last, then HOLD."""
    edges = [round(rate * SECONDS * k / max(1, count - 1)) for k in range(count)]
    return [b - a for a, b in pairwise(edges)] + [round(rate * HOLD)]


def _palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colours of a sheet of frames: the last one and a few on the way to it."""
    picks = [pictures[-1], *pictures[:: max(1, len(pictures) // 4)]][:6]
    width, height = picks[0].size
    sheet = Image.new("RGB", (width * len(picks), height))
    for k, picture in enumerate(picks):
        sheet.paste(picture, (k * width, 0))
    return sheet.quantize(256)
