"""Scripted checkpoints for the Models tab: what is here, loading by the byte, memory, the insides.

On the shelf are one that does not fit, a transformer, one that fails while it is read ("torn") and
one whose loading stays half way until it is stopped ("held-unet").
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from studio import holding as h
from studio import insides
from studio.errors import BadCheckpoint, BadRequest, Busy, NotFound, OutOfMemory
from tests.ui import drawings

GB, MB = 10**9, 10**6
HUB = "This studio fetches nothing from the hub; start it with --allow-hub to let it."
CARD = """
# A card

Draws **things**, **`named`** and `code`, [elsewhere](https://example.org/a) and [inside](LICENSE).
<img src=x onerror="window.broken = 1"><script>window.broken = 1</script>

![a picture](https://example.org/tracker.png)

<!-- a mark of the tool that wrote it -->
| measured | |
|---|---|
| PSNR | 30.5 dB |

- one
- two
"""
SHELF = {  # id: title, family, parameters, bytes, latent, licence
    "icons-unet": ("Icons UNet", "sd", 11_200_000, 23 * MB, (8, 16, 16), "Apache-2.0"),
    "exact-icons": ("Exact icons", "exact", 0, 9 * MB, (3, 128, 128), "Apache-2.0"),
    "icons-dit": ("Icons DiT", "dit", 33_000_000, 66 * MB, (8, 16, 16), "MIT"),
    "held-unet": ("Held UNet", "sdxl", 2_600_000_000, 5 * GB, (4, 128, 128), "openrail++"),
    "torn": ("Torn weights", "sd", 860_000_000, 2 * GB, (4, 64, 64), "not stated"),
    "giant": ("Giant transformer", "flux", 12_000_000_000, 24 * GB, (16, 128, 128), "other"),
}


class ScriptedHoldings:
    """Implements holding.Holdings on a shelf of names."""

    def __init__(self, shelf: dict, hub: bool = False, pace: float = 0.03) -> None:
        self.shelf, self.hub, self.pace = shelf, hub, pace
        self.restock()

    def restock(self) -> None:
        """As at first: one checkpoint is loaded, no run uses it, and no load was given up."""
        self.loaded: list[str] = ["icons-unet"]
        self.busy: set[str] = set()
        self.closed: list[str] = []  # loads whose iterator was closed before its end

    def details(self, id: str) -> h.Details:
        title, family, parameters, size, latent, licence = self._find(id)
        name = "transformer" if family in ("dit", "flux") else "unet"
        kind = {"dit": "DiTTransformer2DModel", "flux": "FluxTransformer2DModel"}
        parts = (
            h.Component(name, kind.get(family, "UNet2DConditionModel"), parameters * 8 // 10,
                        "float16", size * 8 // 10),
            h.Component("text_encoder", "BertModel", parameters // 10, "float16", size // 10),
            h.Component("vae", "AutoencoderKL", parameters // 10, "float16", size // 10),
            h.Component("scheduler", "DDIMScheduler"),
        )  # fmt: skip
        return h.Details(
            id=id, title=title, family=family, knows="draws icons, 128 px", layout="folder",
            source="models", components=parts if parameters else (), parameters=parameters,
            dtype="float16" if parameters else "", bytes=size,
            size=latent[1] * (8 if parameters else 1), latent=latent, prediction="v",
            scheduler=(("class", "DDIMScheduler"), ("beta_schedule", "squaredcos_cap_v2"),
                       ("num_train_timesteps", "1000")),
            licence=licence, card=CARD, loaded=id in self.loaded,
            load_seconds=1.4 if id in self.loaded else None,
        )  # fmt: skip

    def refused(self) -> tuple[h.Refused, ...]:
        return (
            h.Refused("old.ckpt", "old.ckpt is pickled, and this studio opens safetensors only; "
                      "convert it first."),
            h.Refused("half", "half/unet has no config.json."),
        )  # fmt: skip

    def rescan(self) -> int:
        return len(self.shelf)

    def fit(self, id: str) -> h.Fit:
        size = self._find(id)[3]
        plan = "none" if size > 20 * GB else "whole"
        sentence = f"{id} needs {size / GB:.1f} GB of weights in float32 and about 2.0 GB to work, "
        sentence += f"{size / GB + 2:.1f} GB together; "
        sentence += (
            "only 11.0 GB are free. Unload another checkpoint, or take a smaller one."
            if plan == "none" else "11.0 GB are free."
        )  # fmt: skip
        leaves = ("icons-unet",) if 4 * GB < size < 20 * GB else ()
        return h.Fit(id, "cpu", "float32", size, 2 * GB, 11 * GB, leaves, plan, sentence)

    def load(self, id: str) -> Iterator[h.Reading | h.Loaded]:
        size = self._find(id)[3]
        return self._read(id, size)

    def _read(self, id: str, size: int) -> Iterator[h.Reading | h.Loaded]:
        try:
            for tenth in range(11):
                part = "unet" if tenth < 8 else "vae"
                doing = "reading the UNet" if tenth < 8 else "reading the autoencoder"
                yield h.Reading(id, doing, part, size * tenth // 10, size, tenth / 10)
                time.sleep(self.pace)
                if id == "torn" and tenth == 4:
                    raise BadCheckpoint("torn/unet/weights.safetensors ends before its tensors do.")
                while id == "held-unet" and tenth == 6:
                    yield h.Reading(id, doing, part, size * 6 // 10, size, 0.6)
                    time.sleep(0.02)
        except GeneratorExit:
            self.closed.append(id)
            raise
        if size > 20 * GB:
            raise OutOfMemory(self.fit(id).sentence)
        self.loaded.append(id)
        yield h.Loaded(id, size, 1.4)

    def unload(self, id: str) -> None:
        if id in self.busy:
            raise Busy(f"{id} is in use by 1 of the runs; unload it when they are done.")
        if id in self.loaded:
            self.loaded.remove(id)

    def memory(self) -> h.Memory:
        held = tuple(
            h.Held(id, self.shelf[id][0], self.shelf[id][3], 1.4, 42.0, int(id in self.busy))
            for id in self.loaded
        )
        return h.Memory(
            "cpu", "Processor with 8 cores", "float32", "efficient",
            (("float32", 1.9), ("bfloat16", 5.7)), held, 4 * GB, 612 * MB, 11 * GB, 16 * GB,
        )  # fmt: skip

    def check(self, id: str) -> Iterator[h.Reading | h.Checked]:
        size = self._find(id)[3]
        yield h.Reading(id, "comparing unet", "", 0, size, 0.0)
        yield h.Reading(id, "reading unet", "unet", size // 2, size, 0.5)
        if id == "torn":
            fault = "torn/unet: conv_in.weight holds NaN or infinity."
            yield h.Checked(id, False, (fault,), (), size, 0.4)
        else:
            yield h.Checked(id, True, (), (), size, 0.4)

    def offer(self, repo: str, revision: str = "") -> h.Offer:
        raise BadRequest(HUB)

    def fetch(self, repo: str, revision: str = "") -> Iterator[h.Fetching | h.Fetched]:
        raise BadRequest(HUB)

    def _find(self, id: str) -> tuple:
        if id not in self.shelf:
            raise NotFound(f"There is no checkpoint “{id[:60]}” here; choose one from the list.")
        return self.shelf[id]


FEW = {id: SHELF[id] for id in ("icons-unet", "exact-icons")}


class ScriptedInsides:
    """Implements insides.Insides with drawings."""

    def round_trip(self, id: str, picture: bytes) -> insides.RoundTrip:
        a = drawings.drawing("blue heart", 1)
        b = drawings.guess(a, 0.1)
        apart = np.minimum(np.abs(a.astype(int) - b) * 4, 255).astype(np.uint8)
        png = [drawings.encode(x, "PNG") for x in (a, b, apart)]
        state = drawings.encode(drawings.noisy(a, drawings.noise(3), 0.3, 0.7), "PNG")
        return insides.RoundTrip(
            id, 128, (8, 16, 16), png[0], state, png[1], png[2], 4, 6.31, 32.1, 0.957, -0.12, 1.03,
            24.0, 21.0, 34.0, png[1], 29.4, 2.5,
        )  # fmt: skip

    def forward(
        self, id: str, picture: bytes, share: float, prompt: str = "", seed: int = 0
    ) -> insides.Forward:
        insides.check(share, prompt, seed)
        transformer = id == "icons-dit"
        x0, eps = drawings.drawing("blue heart", 1), drawings.noise(1)
        pictures = [x0, drawings.noisy(x0, eps, 1 - share, share), drawings.guess(x0, share)]
        png = [drawings.encode(x, "PNG") for x in pictures]
        return insides.Forward(
            id=id, share=share, t=1000 * share, logsnr=0.4, ms=38.0, side=128,
            kind="transformer" if transformer else "unet",
            blocks=_stack() if transformer else _unet(),
            tokens=(8, 8) if transformer else (0, 0),
            picture=png[0], xt=png[1], x0=png[2],
            variance=png[1] if transformer else b"",
            variances=(0.02, 0.41, 0.97) if transformer else None,
        )  # fmt: skip

    def attention(
        self, id: str, picture: bytes, share: float, prompt: str, seed: int = 0
    ) -> insides.Attention:
        insides.check(share, prompt, seed)
        if not prompt.strip():
            raise BadRequest("Write a prompt first; its words are looked for in the picture.")
        x0, eps = drawings.drawing("blue heart", 1), drawings.noise(1)
        pictures = [x0, drawings.noisy(x0, eps, 1 - share, share), drawings.guess(x0, share)]
        png = [drawings.encode(x, "PNG") for x in pictures]
        words = prompt.split()
        tokens = (
            insides.Token("", "begin"), *(insides.Token(w, "word") for w in words),
            insides.Token("", "end"), insides.Token("", "padding"),
        )  # fmt: skip
        heats = (_heat("all", 5, 16, len(tokens)), _heat("16×16", 3, 16, len(tokens)),
                 _heat("8×8", 2, 8, len(tokens)))  # fmt: skip
        return insides.Attention(
            id=id, share=share, t=1000 * share, logsnr=0.4, kind="cross", heads=8, pooled=True,
            side=128, picture=png[0], xt=png[1], x0=png[2], tokens=tokens, heats=heats,
        )  # fmt: skip

    def gates(self, id: str, points: int = 17) -> insides.Gates:
        shares = tuple(k / (points - 1) for k in range(points))
        rows = [tuple(0.02 + (0.5 + s) * k / 12 for k in range(12)) for s in shares]
        return insides.Gates(id, shares, tuple(rows), tuple(row[::-1] for row in rows))


def _heat(name: str, layers: int, side: int, tokens: int) -> insides.Heat:
    """The begin mark takes most, everywhere; each word a spot of its own."""
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    maps, peaks, shares = [], [], []
    for k in range(tokens):
        spot = np.exp(-9 * ((x - 0.2 - 0.6 * (k % 3) / 2) ** 2 + (y - 0.2 - 0.2 * (k % 4)) ** 2))
        given = np.full_like(x, 0.6) + 0.1 * spot if k == 0 else 0.4 / (tokens - 1) * spot
        maps.append((given / given.max() * 255).round().astype(np.uint8).tobytes())
        peaks.append(float(given.max()))
        shares.append(float(given.mean()))
    return insides.Heat(name, layers, side, side, tuple(maps), tuple(peaks), tuple(shares))


def _unet() -> tuple[insides.Block, ...]:
    def block(name, where, shape, rms, skip=None):
        return insides.Block(name, where, shape, rms, skip)

    return (
        block("conv_in", "in", (32, 16, 16), 1.26),
        block("down_blocks.0.resnets.0", "down", (32, 16, 16), 1.57),
        block("down_blocks.0.downsamplers.0", "down", (32, 8, 8), 2.56),
        block("down_blocks.1.resnets.0", "down", (96, 8, 8), 1.01),
        block("mid_block.resnets.0", "middle", (96, 8, 8), 4.42),
        block("mid_block.attentions.0", "middle", (96, 8, 8), 2.5),
        block("up_blocks.0.resnets.0", "up", (96, 8, 8), 2.5, 3),
        block("up_blocks.0.resnets.1", "up", (96, 8, 8), 3.13, 2),
        block("up_blocks.0.upsamplers.0", "up", (96, 16, 16), 8.16),
        block("up_blocks.1.resnets.0", "up", (32, 16, 16), 10.2, 1),
        block("up_blocks.1.resnets.1", "up", (32, 16, 16), 15.0, 0),
        block("conv_out", "out", (8, 16, 16), 0.99),
    )


def _stack() -> tuple[insides.Block, ...]:
    return tuple(
        insides.Block(f"transformer_blocks.{k}", "block", (64, 384), 0.8 + 0.35 * k)
        for k in range(12)
    )
