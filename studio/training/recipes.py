"""The recipes' sizes: `smoke` (seconds, for tests), `small` (what two CPU cores trained), `full`
(for a GPU).

Each is plain data. `small` is what the shipped folders were made with.
"""

from dataclasses import dataclass, field

from studio.training import autoencoder, preview, text, unet


@dataclass(frozen=True, slots=True)
class Recipe:
    """One size of everything."""

    text: text.Config = field(default_factory=text.Config)
    vae: autoencoder.Config = field(default_factory=autoencoder.Config)
    preview: preview.Config = field(default_factory=preview.Config)
    unet: unet.Config = field(default_factory=unet.Config)
    concepts: int | None = 90  # beside the core; None: every concept and every style
    whitening: int = 500  # pictures whose latents are whitened


RECIPES = {
    "smoke": Recipe(
        text=text.Config(
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
        vae=autoencoder.Config(channels=(8, 8, 8, 16), batch=4, steps=5, crop=32),
        preview=preview.Config(width=8, batch=2, steps=3),
        unet=unet.Config(widths=(8, 16, 16), head=8, batch=4, steps=4, captions=3),
        concepts=None,
        whitening=8,
    ),
    "small": Recipe(
        text=text.Config(steps=1000),
        vae=autoencoder.Config(steps=1700),
        preview=preview.Config(),
        unet=unet.Config(batch=48, steps=5000, workers=2),
    ),
    "full": Recipe(
        text=text.Config(
            width=256,
            layers=4,
            heads=8,
            feed_forward=1024,
            vocabulary=12000,
            phrases=120_000,
            batch=512,
            steps=20_000,
        ),
        vae=autoencoder.Config(channels=(32, 64, 128, 192), batch=64, steps=60_000),
        preview=preview.Config(width=24, batch=32, steps=10_000),
        unet=unet.Config(
            widths=(96, 256, 384),
            attention=(False, True, True),
            batch=256,
            steps=60_000,
            captions=32,
        ),
        concepts=None,
        whitening=4000,
    ),
}
