"""The recipes' sizes: `smoke` (seconds, for tests), `small` (what two CPU cores trained), `full`
(for a GPU).

Each is plain data. `small` is what the shipped folders were made with.
"""

from dataclasses import dataclass, field

from studio.training.ablation import Config as Blocks
from studio.training.autoencoder import Config as Autoencoder
from studio.training.control import Config as Control
from studio.training.decoder import Config as Decoder
from studio.training.dit import Config as Dit
from studio.training.flow import Config as Flow
from studio.training.ideas import Config as Ideas
from studio.training.improved import Config as Ddpm
from studio.training.preview import Config as Preview
from studio.training.reflow import Config as Reflow
from studio.training.text import Config as Text
from studio.training.unet import Config as Unet


@dataclass(frozen=True, slots=True)
class Recipe:
    """One size of everything."""

    text: Text = field(default_factory=Text)
    vae: Autoencoder = field(default_factory=Autoencoder)
    decoder: Decoder = field(default_factory=Decoder)
    preview: Preview = field(default_factory=Preview)
    unet: Unet = field(default_factory=Unet)
    control: Control = field(default_factory=Control)
    dit: Dit = field(default_factory=Dit)
    flow: Flow = field(default_factory=Flow)
    blocks: Blocks = field(default_factory=Blocks)
    ddpm: Ddpm = field(default_factory=Ddpm)
    reflow: Reflow = field(default_factory=Reflow)
    ideas: Ideas = field(default_factory=Ideas)
    concepts: int | None = 90  # beside the core; None: every concept and every style
    whitening: int = 500  # pictures whose latents are whitened
    sample_steps: int = 20  # of the pictures in the card


RECIPES = {
    "smoke": Recipe(
        text=Text(
            width=24,
            layers=1,
            heads=2,
            feed_forward=32,
            vocabulary=200,
            phrases=50,
            words=50,
            batch=8,
            steps=3,
        ),
        vae=Autoencoder(channels=(8, 8, 8, 16), batch=4, steps=5, crop=32),
        decoder=Decoder(batch=4, crop=32, steps=2),
        preview=Preview(width=8, batch=2, steps=3),
        unet=Unet(widths=(8, 16, 16), head=8, batch=4, steps=4, captions=3),
        control=Control(embedding=(4, 4, 8, 8), batch=4, steps=3, captions=3, workers=1),
        dit=Dit(width=16, depth=2, head=8, patch=4, batch=4, steps=2, workers=1),
        flow=Flow(width=16, depth=2, head=8, patch=4, batch=4, steps=2, captions=3, workers=1),
        blocks=Blocks(3, 16, 2, 8, 4, giga=0.008, points=2, times=2, each=1, sample_steps=2),
        ddpm=Ddpm(3, 16, 2, 8, 4, batch=4, steps=2, times=50, judged=2, counts=(2, 50)),
        reflow=Reflow(
            3, 16, 2, 8, 4, batch=4, steps=2, more=2, couples=6, solver=2, reference=4, judged=3
        ),
        ideas=Ideas(3, 16, 2, 8, 4, batch=4, steps=2, times=3, sample_steps=2),
        concepts=None,
        whitening=8,
        sample_steps=2,
    ),
    "small": Recipe(
        text=Text(steps=1000),
        vae=Autoencoder(steps=1700),
        decoder=Decoder(workers=2),
        preview=Preview(steps=700),
        unet=Unet(batch=48, steps=3900, workers=2),
        dit=Dit(width=192, depth=8, steps=3600, workers=1),
        flow=Flow(width=192, depth=6, steps=3000, workers=1),
    ),
    "full": Recipe(
        text=Text(
            width=256,
            layers=4,
            heads=8,
            feed_forward=1024,
            vocabulary=12000,
            phrases=120_000,
            batch=512,
            steps=20_000,
        ),
        vae=Autoencoder(channels=(32, 64, 128, 192), batch=64, steps=60_000),
        decoder=Decoder(batch=64, steps=20_000),
        preview=Preview(width=24, batch=32, steps=10_000),
        unet=Unet(
            widths=(64, 160, 256),
            attention=(False, True, True),
            batch=256,
            steps=30_000,
            captions=32,
        ),
        control=Control(embedding=(16, 32, 96, 256), batch=128, steps=20_000, captions=16),
        dit=Dit(width=256, depth=8, batch=512, steps=30_000),
        flow=Flow(width=256, depth=8, batch=512, steps=30_000, captions=32),
        blocks=Blocks(244, 384, 12, 64, 256, giga=5e6),
        ddpm=Ddpm(244, 384, 12, 64, 2, batch=256, steps=50_000),
        reflow=Reflow(244, 384, 12, 64, 2, batch=256, steps=50_000, more=20_000, couples=50_000),
        ideas=Ideas(244, 384, 12, 64, 2, batch=256, steps=30_000),
        concepts=None,
        whitening=4000,
    ),
}
