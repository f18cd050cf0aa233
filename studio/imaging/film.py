"""A recorded run as an animated GIF or an MP4 that browsers play."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from studio.imaging.encode import enlarge_lanczos, enlarge_nearest

SECONDS = 2.5  # the moving part
HOLD = 1.2  # seconds on the last frame
RATE = 30  # frames a second in an MP4
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
    pause = _pause(len(frames))
    pictures = [Image.fromarray(frame) for frame in frames]
    palette = _palette(pictures)
    pictures = [picture.quantize(palette=palette) for picture in pictures]
    out = io.BytesIO()
    pictures[0].save(
        out,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=[pause] * (len(pictures) - 1) + [round(1000 * HOLD)],
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
    repeat = max(1, round(RATE * SECONDS / len(frames)))
    with tempfile.TemporaryDirectory() as folder:  # moving the index to the front needs a file
        file = Path(folder) / "run.mp4"
        with av.open(str(file), "w", options={"movflags": "+faststart"}) as container:
            stream = container.add_stream("libx264", rate=RATE, options=H264)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for k, frame in enumerate(frames):
                cut = np.ascontiguousarray(frame[:height, :width])
                picture = av.VideoFrame.from_ndarray(cut, format="rgb24")
                for _ in range(round(RATE * HOLD) if k == len(frames) - 1 else repeat):
                    picture.pts = None
                    container.mux(stream.encode(picture))
            container.mux(stream.encode())
        return file.read_bytes()


FILMS = {"gif": gif, "mp4": mp4}


def _pause(count: int) -> int:
    """Milliseconds a frame: hundredths, and no less than browsers honour."""
    return max(20, 10 * round(100 * SECONDS / count))


def _palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colours of a sheet of frames: the last one and a few on the way to it."""
    picks = [pictures[-1], *pictures[:: max(1, len(pictures) // 4)]][:6]
    width, height = picks[0].size
    sheet = Image.new("RGB", (width * len(picks), height))
    for k, picture in enumerate(picks):
        sheet.paste(picture, (k * width, 0))
    return sheet.quantize(256)
