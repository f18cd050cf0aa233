"""Figures for the model card, measured on the exported folder: reconstruction on held-out pictures,
seconds a picture.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw, ImageFont
from skimage.metrics import structural_similarity

from studio.training import autoencoder, samples
from studio.training.dataset import IconData
from studio.training.sheet import save_sheet


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; `steps` and `pictures` are the denoiser's."""

    psnr: float
    ssim: float
    held: int
    seconds: float
    threads: int
    losses: tuple[tuple[int, float], ...]


def reconstruction(vae, data: IconData, count: int = 200) -> tuple[float, float, int]:
    """(PSNR in dB, SSIM, number) over pictures that training never saw."""
    rows = [i for i, r in enumerate(data.records) if r.held] or list(range(len(data.records)))
    rows, decibels, similar = rows[:count], [], []
    for first in range(0, len(rows), 16):
        x = autoencoder.to_tensor(data.pixels[rows[first : first + 16]])
        y = autoencoder.reconstruct(vae, x)
        decibels += [autoencoder.psnr(y[i : i + 1], x[i : i + 1]) for i in range(len(x))]
        pairs = zip(autoencoder.to_pixels(y), autoencoder.to_pixels(x), strict=True)
        similar += [structural_similarity(a, b, channel_axis=2) for a, b in pairs]
    return sum(decibels) / len(rows), sum(similar) / len(rows), len(rows)


def losses(folder: Path) -> tuple[tuple[int, float], ...]:
    """(step, loss) pairs of a run's log; empty where there is none."""
    log = folder / "loss.jsonl"
    if not log.is_file():
        return ()
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return tuple((line["step"], line["loss"]) for line in lines)


def figures(folder: Path, data: IconData, runs: Path, steps: int) -> Figures:
    """Open the folder in plain diffusers, measure, and leave a sample sheet in `images/`."""
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    psnr, ssim, held = reconstruction(pipe.vae, data)
    kind = {"num_inference_steps": steps, "guidance_scale": 3.5, "output_type": "np"}
    pipe("red apple", generator=torch.Generator().manual_seed(0), **kind)  # the first call warms up
    start = time.perf_counter()
    pipe("cat face", generator=torch.Generator().manual_seed(0), **kind)
    seconds = time.perf_counter() - start
    pictures = [
        (pipe(prompt, generator=torch.Generator().manual_seed(0), **kind).images[0] * 255)
        .round()
        .astype("uint8")
        for prompt in samples.PROMPTS
    ]
    save_sheet(folder / "images" / "samples.png", pictures, list(samples.PROMPTS), 6)
    return Figures(psnr, ssim, held, seconds, torch.get_num_threads(), losses(runs / "unet"))


def draw_losses(
    pairs: tuple[tuple[int, float], ...], path: Path, name: str = "v-prediction loss"
) -> None:
    """A loss curve (grey) and its running mean (blue), with the range of both axes in words."""
    width, height, edge = 640, 280, 24
    path.parent.mkdir(parents=True, exist_ok=True)
    steps, values = zip(*pairs, strict=True)
    top, last, smooth, mean = max(values), max(steps), [], values[0]
    for value in values:
        mean = 0.95 * mean + 0.05 * value
        smooth.append(mean)

    def place(step: int, value: float) -> tuple[float, float]:
        x = edge + (width - 2 * edge) * step / last
        return x, height - edge - (height - 2 * edge) * value / top

    picture = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    draw.line([(edge, edge), (edge, height - edge), (width - edge, height - edge)], fill="black")
    draw.line([place(*point) for point in pairs], fill="#cccccc")
    draw.line([place(*point) for point in zip(steps, smooth, strict=True)], fill="#1f77b4", width=2)
    draw.text((edge + 4, 6), f"{name}, 0 to {top:.2f}", fill="black", font=font)
    draw.text((width - 150, height - 18), f"steps, 0 to {last}", fill="black", font=font)
    picture.save(path)
