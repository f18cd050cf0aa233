"""SVG bodies to pixels: resvg on white, 128 px, in as many processes as there are cores."""

import io
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from PIL import Image

from studio.errors import BadData

SIZE = 128


def document(body: str, width: float, height: float) -> str:
    """An Iconify body as a whole SVG document, padded so that the picture is square."""
    side = max(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox="{left:g} {top:g} {side:g} {side:g}">{body}</svg>'
    )


def render(svg: str, size: int = SIZE) -> np.ndarray:
    """One picture (size, size, 3) uint8 on white. Raises BadData where the SVG does not parse."""
    import resvg_py

    try:
        png = resvg_py.svg_to_bytes(
            svg_string=svg, width=size, height=size, background="#ffffff", skip_system_fonts=True
        )
    except ValueError as error:
        raise BadData(
            f"A picture of the set cannot be drawn ({error}); leave it out or fetch the set again."
        ) from error
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def render_all(
    svgs: Iterable[str], size: int = SIZE, processes: int | None = None
) -> Iterator[np.ndarray]:
    """Every picture in order; a pool of processes where there is more than one core and enough to
    do.
    """
    svgs = list(svgs)
    processes = processes or os.cpu_count() or 1
    if processes == 1 or len(svgs) < 64:
        yield from (render(svg, size) for svg in svgs)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(render, size=size), svgs, chunksize=32)
